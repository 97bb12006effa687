"""`byhand evaluate` and `--evaluate-every` on images other than MNIST's digits."""

import json
import signal

import numpy as np
import pytest
from PIL import Image

from gan.classifier.training import ClassifierTrainer
from gan.data import from_array
from gan.data.images.split import n_held_out
from gan.images import GAP, SCALE
from gan.runs.checkpoint import read_checkpoint
from tests.gan.data.images.pictures import save
from tests.support.small import assert_refused, command, example  # noqa: F401

train, evaluate, predict = (example(name) for name in ("train_mnist_gan", "evaluate", "predict"))
N, SIDE = 60, 16
HELD_OUT = n_held_out(N)
QUICK = "--batch-size", 4, "--device", "numpy", "--quiet"
WEIGHTS = "--weights", "here/weights.npz"


@pytest.fixture
def run(command, monkeypatch, tmp_path_factory):  # noqa: F811
    """Run a command with a short training of the classifier, and a cache of its own."""
    monkeypatch.setattr("gan.classifier.image_classifier.STEPS", 4)
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path_factory.mktemp("cache")))
    return command


@pytest.fixture
def photos(tmp_path_factory):
    """A folder of dark and bright images in two classes."""
    root, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        for k in range(N // 2):
            pixels = rng.integers(0, 128, (SIDE, SIDE, 3)) + 127 * number
            save(root / name / f"{k:02}.png", Image.fromarray(pixels.astype(np.uint8)))
    return root


def report(name="metrics.json"):
    with open(name) as file:
        return json.load(file)


def trained(run, photos, *words):
    classes = "--recipe", "conv-r1r2-classes", "--labels", "folders"
    how = "--data", photos, "--size", SIDE, *QUICK, "--steps", 2, "--out", "here"
    return run(train, *how, *(words or classes))


def test_a_run_is_measured_against_its_images_held_out(run, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("gan.classifier.image_classifier.STEPS", 40)
    assert trained(run, photos) == (0, "", "")
    config = json.loads((tmp_path / "here/config.json").read_text())
    assert (config["images"], config["held_out"]) == (N - HELD_OUT, HELD_OUT)
    status, out, err = run(evaluate, *WEIGHTS, "--device", "numpy", "--neighbours")
    assert status == 0 and "classifier:" in err
    made = report()
    half = HELD_OUT // 2
    counts = ("images", "reference_images", "train_images", "held_out_images")
    assert [made[name] for name in counts] == [half, half, N - HELD_OUT, HELD_OUT]
    assert (
        made["metrics"].keys()
        == made["floor"].keys()
        == {
            "fid",
            "precision",
            "recall",
            "recognised",
        }
    )
    classifier = made["classifier"]
    assert (classifier["trained_on"], classifier["classes"]) == ("classes", 2)
    assert classifier["accuracy"] == 1 and classifier["is_convincing"]
    lines = out.splitlines()
    assert lines[0].endswith("in colour; 2 classes") and "this is done once" in lines[1]
    assert lines[2].startswith("classifier: names the class of 100.0% of the 12 images held out;")
    assert lines[4].split() == ["metric", "images", "floor", "better"]
    assert "too weak" not in out
    near = made["neighbours"]
    assert near["compared"] == half and near["least_distance"] <= near["median_distance"]
    with Image.open("neighbours.png") as picture:
        assert picture.size == tuple(SCALE * (n * (SIDE + GAP) + GAP) for n in (8, half))

    status, out, _ = run(evaluate, *WEIGHTS, "--device", "numpy", "--out", "again.json")
    assert status == 0 and "this is done once" not in out
    again = report("again.json")
    assert again["metrics"] == made["metrics"] and again["floor"] == made["floor"]


def test_without_labels_clusters_are_the_classes(run, photos):
    assert trained(run, photos, "--recipe", "conv-r1r2") == (0, "", "")
    status, out, _ = run(evaluate, *WEIGHTS, "--device", "numpy")
    assert status == 0 and "classifier: names the k-means cluster of " in out
    made = report()
    assert made["classifier"]["trained_on"] == "clusters" and made["classifier"]["classes"] == 2
    assert "recognised" not in made["metrics"]
    words = "--data", photos, "--labels", "folders", "--device", "numpy", "--quiet"
    assert run(evaluate, *WEIGHTS, *words, "--out", "b.json") == (0, "", "")
    assert report("b.json")["classifier"]["trained_on"] == "classes"


def test_a_weak_classifier_is_called_weak(run, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (N, SIDE, SIDE), np.uint8), rng.integers(0, 2, N)
    np.savez(tmp_path / "noise.npz", images=images, labels=labels)
    np.savez(tmp_path / "samples.npz", images=images[:9] / 255)
    words = "--samples", "samples.npz", "--data", "noise.npz", "--device", "numpy"
    status, out, _ = run(evaluate, *words)
    assert status == 0 and "this classifier is too weak to trust" in out
    made = report()
    assert made["images"] == HELD_OUT // 2 and not made["classifier"]["is_convincing"]


def test_samples_may_be_a_folder_of_pictures(run, photos):
    assert trained(run, photos) == (0, "", "")
    how = *WEIGHTS, "--seed", 1, "--count", 6, "--save-samples"
    words = "--data", photos, "--size", SIDE, "--device", "numpy", "--quiet"
    for name, out in (("s.npz", "a.json"), ("s/", "b.json")):
        assert run(predict, *how, name)[0] == 0
        assert run(evaluate, "--samples", name, *words, "--out", out) == (0, "", "")
    assert report("a.json")["metrics"] == report("b.json")["metrics"]


def test_other_images_are_refused_unless_named(run, photos):
    assert trained(run, photos) == (0, "", "")
    save(photos / "dark" / "new.png", Image.new("RGB", (SIDE, SIDE)))
    assert_refused(run(evaluate, *WEIGHTS, "--quiet"), f"{photos}: expected the 48 images")
    status, out, _ = run(evaluate, *WEIGHTS, "--data", photos, "--device", "numpy")
    assert status == 0 and "these are not the images of the run" in out.splitlines()[0]
    photos.rename(photos.with_name("moved"))
    assert_refused(run(evaluate, *WEIGHTS, "--quiet"), "no such file")


def test_an_interrupted_classifier_continues(run, photos, monkeypatch):
    assert trained(run, photos) == (0, "", "")
    step = ClassifierTrainer.step

    def interrupted(self):
        step(self)
        if self.step_count == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTrainer, "step", interrupted)
        status, out, _ = run(evaluate, *WEIGHTS, "--device", "numpy")
    assert status == 130 and "the next call continues the classifier" in out
    steps = []
    monkeypatch.setattr(ClassifierTrainer, "step", lambda self: (step(self), steps.append(1)))
    assert run(evaluate, *WEIGHTS, "--device", "numpy", "--quiet") == (0, "", "")
    assert len(steps) == 2


def test_fid_is_measured_during_training(run, photos):
    words = "--labels", "folders", "--recipe", "conv-r1r2", "--evaluate-every", 1
    assert trained(run, photos, *words)[0] == 0
    with open("here/history.csv") as file:
        header, *rows = file.read().splitlines()
    assert header.endswith(",fid") and float(rows[-1].split(",")[-1]) > 0


def test_a_recipe_without_classes_names_those_with(run, photos):
    how = "--data", photos, "--labels", "folders", "--recipe", "mlp-smoothed"
    status, out, _ = run(train, *how, *QUICK[:-1], "--steps", 1, "--out", "here")
    (line,) = [line for line in out.splitlines() if "learns no classes" in line]
    assert status == 0 and line.endswith("take --recipe conv-r1r2-classes or conv-classes-hour")


def test_the_data_of_a_run_by_name_are_measured_against(run, monkeypatch):
    rng = np.random.default_rng(0)
    images = from_array(rng.integers(0, 256, (N, 3, 32, 32), np.uint8), np.arange(N) % 3)
    for place in ("gan.runs.starting.own_images", "gan.runs.starting.dataset_split.cifar10"):
        monkeypatch.setattr(f"{place}.cifar10", lambda split="train", **how: images)
    words = "--dataset", "cifar10", "--recipe", "mlp-smoothed", "--evaluate-every", 1, *QUICK
    assert run(train, *words, "--steps", 1, "--out", "here") == (0, "", "")
    with open("here/history.csv") as file:
        assert file.readline().endswith(",fid\n")
    assert run(evaluate, *WEIGHTS, "--device", "numpy", "--quiet") == (0, "", "")
    assert report()["held_out_images"] == report()["train_images"] == N


@pytest.mark.parametrize(
    "dataset, shape", [("cifar10", (3, 32, 32)), ("fashion-mnist", (1, 28, 28))]
)
def test_images_of_a_data_set_are_held_out_for_early_stopping(
    run, tmp_path, monkeypatch, dataset, shape
):
    """Test images, which the mirrors would serve, are left for the last measurement."""
    images = np.random.default_rng(0).integers(0, 256, (N, *shape), np.uint8)
    labels = np.arange(N) % 2
    monkeypatch.setattr(
        "gan.runs.starting.own_images.cifar10", lambda **how: from_array(images, labels)
    )
    monkeypatch.setattr(
        "gan.runs.starting.training_data.load", lambda *which, **how: (images, labels)
    )
    words = "--dataset", dataset, "--recipe", "conv-r1r2-classes", *QUICK[:-1], "--out", "here"
    status, out, err = run(train, *words, "--epochs", 1, "--patience", 1, "--validation", 12)
    assert status == 0, err
    assert "on 48 images" in out and "against as many images held out" in out
    assert "on 12 images held out: its weights are in here/best.npz" in out
    config = json.loads((tmp_path / "here/config.json").read_text())
    assert (config["images"], config["validation"]) == (N - 12, 12)
    more = "--epochs", 2, "--patience", 5, "--quiet"
    assert run(train, "--resume", "here", *more) == (0, "", "")
    assert len(read_checkpoint("here/checkpoint.npz").arrays["order.0"]) == N - 12
