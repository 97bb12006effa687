"""The commands that train the classifier and classify pictures."""

import os
import re
import shutil
import signal
import warnings

import numpy as np
import pytest
from PIL import Image

import nn
from gan.classifier import training as classifier_training
from gan.classifier.confusion import save_confusion
from gan.classifier.network import load_classifier, logits, save_classifier
from gan.classifier.pictures import read_digits
from gan.classifier.training import ClassifierTrainer
from gan.commands.shared.pasting import to_paste
from gan.data.datasets import load
from gan.runs import classifier_run
from gan.runs.lock import RunLock
from gan.runs.resume import digest
from gan.runs.state_checkpoint import read_state_checkpoint, write_state_checkpoint
from nn import Dense, Flatten, Sequential
from tests.support.small import assert_refused, disk_is_full, example

CLASSIFY, TRAIN = example("classify"), example("train_mnist_classifier")


def network():
    return Sequential(Flatten(), Dense(784, 10), input_shape=(1, 28, 28))


def picture(path, seed=0):
    """Write a picture with random ink on white paper."""
    image = np.full((60, 50), 255, np.uint8)
    image[10:50, 10:40] = np.random.default_rng(seed).choice([0, 255], (40, 30))
    Image.fromarray(image).save(path)
    return path


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights" / "c.npz"
    path.parent.mkdir()
    built = network().build(seed=1)
    # So that the pictures differ in class
    built[1].W[...] = np.random.default_rng(1).standard_normal((784, 10)) / 10
    save_classifier(path, built, {})
    return path


# classify.py


def test_each_picture_gets_a_line(command, weights, tmp_path):
    paths = [picture(tmp_path / f"{k}.png", seed=k) for k in range(5)]
    status, out, err = command(CLASSIFY, "--weights", weights, *paths)
    z = logits(load_classifier(weights), read_digits(paths)).astype(np.float64)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert (status, err) == (0, "") and len({*z.argmax(axis=1)}) > 1
    assert out.splitlines() == [
        f"{p}: {s.argmax()} ({100 * s.max():.1f}%)" for p, s in zip(paths, shares)
    ]


def test_the_class_depends_on_the_picture(command, tmp_path):
    middle = network().build(seed=0)
    middle[1].W[...] = 0
    middle[1].b[...] = 0
    middle[1].b[4], middle[1].W[14 * 28 + 14, 8] = 3, 9  # ink in the middle: an 8; else a 4
    save_classifier(tmp_path / "c.npz", middle, {})
    image = np.zeros((40, 40), np.uint8)
    image[10:30, 10:30] = 255
    Image.fromarray(image).save(tmp_path / "full.png")
    image[13:27, 13:27] = 0
    Image.fromarray(image).save(tmp_path / "ring.png")
    _, out, _ = command(CLASSIFY, "--weights", "c.npz", "full.png", "ring.png")
    eight, four = np.exp(9) / (np.exp(9) + np.exp(3) + 8), np.exp(3) / (np.exp(3) + 9)
    assert out == f"full.png: 8 ({100 * eight:.1f}%)\nring.png: 4 ({100 * four:.1f}%)\n"


def test_without_weights_the_classifier_of_the_package_is_used(command, tmp_path):
    images, labels = load("mnist-sample", "test", flat=False)
    names = [f"{k}.png" for k in range(10)]
    for name, image in zip(names, images[:10, 0]):
        Image.fromarray(255 - image).resize((70, 70)).save(tmp_path / name)
    status, out, err = command(CLASSIFY, *names)
    assert status == 0 and [int(line.split()[1]) for line in out.splitlines()] == [*labels[:10]]
    assert err == (
        "using the classifier that comes with the package, which classifies 99.69% of MNIST's "
        "test images correctly\n"
    )
    assert_refused(command(CLASSIFY, "none.png"), "none.png: ", "no such file")


def test_pictures_that_cannot_be_read_are_refused(command, weights, tmp_path, monkeypatch):
    good = picture(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "half.png").write_bytes(good.read_bytes()[:100])
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    for bad, words in {
        "none.png": "no such file",
        "text.png": "expected an image",
        "half.png": "cannot be read",
        "blank.png": "blank",
        ".": "folder",
    }.items():
        assert_refused(command(CLASSIFY, "--weights", weights, good, bad), f"{bad}: ", words)
    # A decompression bomb by Pillow's own limit
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert_refused(command(CLASSIFY, "--weights", weights, good), "at most 30,000,000 pixels")


def test_weights_of_other_networks_are_refused(command, weights, tmp_path):
    good = picture(tmp_path / "good.png")
    nn.save_weights(
        tmp_path / "gan.npz", {"G": Sequential(Dense(4, 784)).build(0)}, {"recipe": "x"}
    )
    whole = weights.read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    middle = len(whole) // 2
    (tmp_path / "damaged.npz").write_bytes(
        whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    )
    for bad, words in {
        "none.npz": "no such file",
        "gan.npz": "found G",
        "half.npz": ".npz",
        "damaged.npz": "damaged",
        "good.png": "expected an .npz file",
    }.items():
        assert_refused(command(CLASSIFY, "--weights", bad, good), f"{bad}: ", words)


@pytest.mark.parametrize(
    "words", [(), ("--weights", "c.npz"), ("--weights", "", "a.png"), ("a.png", "--device", "tpu")]
)
def test_invalid_arguments_are_refused(command, words):
    status, out, err = command(CLASSIFY, *words)
    assert status == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1


# train_mnist_classifier.py


@pytest.fixture
def few_digits(monkeypatch):
    """Train on 60 digits of the bundled sample, and evaluate on 40; don't draw the mistakes."""

    def few(name, split, **how):
        images, labels = load("mnist-sample", split, **{**how, "data_dir": None})
        n = {"train": 60, "test": 40}[split]
        return images[:n], labels[:n]

    def undrawn(path, counts, classes):
        path.write_text(f"{counts.tolist()} {classes}")

    monkeypatch.setattr(TRAIN, "load", few)
    monkeypatch.setattr(classifier_run, "save_confusion", undrawn)


def test_a_run_prints_its_accuracy_and_writes_a_classifier(
    command, few_digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(classifier_run, "save_confusion", save_confusion)
    status, out, err = command(
        TRAIN, "--epochs", 2, "--batch-size", 20, "--out", "run", "--device", "cpu"
    )
    assert status == 0
    epochs = re.findall(
        r"^epoch  (\d): loss \d\.\d{4}, (\d+\.\d\d)% of the test images right, (\d+) wrong, \d+ s$",
        out,
        re.M,
    )
    assert [number for number, *_ in epochs] == ["1", "2"]
    assert all(float(share) == pytest.approx(100 - 2.5 * int(wrong)) for _, share, wrong in epochs)
    assert "done after 6 steps" in out and "run/classifier.npz" in out
    assert "6/6" in err and ("step/s" in err or "s/step" in err)  # the bar
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "checkpoint.npz",
        "classifier.npz",
        "config.json",
        "confusion.png",
        "history.csv",
    }
    with Image.open(tmp_path / "run" / "confusion.png") as drawn:
        assert drawn.format == "PNG"
    picture(tmp_path / "a.png")
    status, out, _ = command(CLASSIFY, "--weights", "run/classifier.npz", "a.png")
    assert status == 0 and re.fullmatch(r"a\.png: \d \(\d+\.\d%\)\n", out)


def test_the_weights_file_records_the_settings(command, few_digits, tmp_path):
    assert command(
        TRAIN, "--epochs", 1, "--batch-size", 30, "--seed", 7, "--out", "run", "--quiet"
    ) == (0, "", "")
    networks, info = nn.load_weights(tmp_path / "run" / "classifier.npz")
    assert 0 <= info["accuracy"] <= 1 and info["classes"] == list("0123456789")
    expected = {
        "dataset": "mnist",
        "images": 60,
        "epochs": 1,
        "batch_size": 30,
        "seed": 7,
        "device": "cpu",
        "tf32": False,
        "data": digest(*TRAIN.load("mnist", "train", flat=False)),
        "steps_done": 2,
    }
    assert info["training"] == expected
    trainer = ClassifierTrainer(
        *TRAIN.load("mnist", "train", flat=False), epochs=1, batch_size=30, seed=7
    )
    trainer.epoch()
    assert np.array_equal(
        networks["classifier"].parameters.value.flat, trainer.averaged_network.parameters.value.flat
    )


def test_by_default_a_run_has_a_folder_of_its_own(command, few_digits, tmp_path):
    assert command(TRAIN, "--epochs", 1, "--batch-size", 60, "--quiet")[0] == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert (
        re.fullmatch(r"classifier-\d{8}-\d{6}", folder.name)
        and (folder / "classifier.npz").is_file()
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_saved(command, few_digits, tmp_path, monkeypatch, number):
    step = ClassifierTrainer.step

    def interrupted(self):
        step(self)
        if self.step_count == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(ClassifierTrainer, "step", interrupted)
    status, out, err = command(TRAIN, "--epochs", 5, "--batch-size", 20, "--out", "run")
    assert status == 128 + number and "stopped after 2 steps" in out and "Traceback" not in err
    assert nn.load_weights(tmp_path / "run" / "classifier.npz")[1]["training"]["steps_done"] == 2
    assert (tmp_path / "run" / "confusion.png").is_file()
    assert to_paste("train-classifier", "--resume", tmp_path / "run") in out


def held_in(path):
    return read_state_checkpoint(path, classifier_run.KIND, classifier_run.COLUMNS)


SHORT = "--epochs", 3, "--batch-size", 20, "--seed", 4, "--quiet"  # nine steps


@pytest.mark.parametrize("stop_at", [0, 2, 3, 8])
def test_an_interrupted_run_continues_to_the_same_bytes(
    command, few_digits, tmp_path, monkeypatch, stop_at
):
    step, start = ClassifierTrainer.step, classifier_run.ClassifierRun.start

    def interrupted_step(self):
        step(self)
        if self.step_count == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    def interrupted_start(self, trainer, *args):
        start(self, trainer, *args)
        if not stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    assert command(TRAIN, *SHORT, "--out", "whole") == (0, "", "")
    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTrainer, "step", interrupted_step)
        patch.setattr(classifier_run.ClassifierRun, "start", interrupted_start)
        assert command(TRAIN, *SHORT, "--out", "run") == (130, "", "")
    assert command(TRAIN, "--resume", "run", "--quiet") == (0, "", "")
    whole, run = tmp_path / "whole", tmp_path / "run"
    for name in ("classifier.npz", "confusion.png", "config.json"):
        assert (whole / name).read_bytes() == (run / name).read_bytes(), name
    rows = [held_in(path / "checkpoint.npz").history for path in (whole, run)]
    assert len(rows[0]) == 3 and all(row.pop("seconds") > 0 for each in rows for row in each)
    assert rows[0] == rows[1] and len((run / "history.csv").read_text().splitlines()) == 4


def test_a_killed_run_continues_from_its_last_epoch(command, few_digits, tmp_path, monkeypatch):
    """What a killed process leaves: a temporary file, and a history without its checkpoint."""
    assert command(TRAIN, *SHORT, "--out", "whole") == (0, "", "")
    saved = classifier_run.write_state_checkpoint

    def killed(path, kind, checkpoint, columns):
        if len(checkpoint.history) == 2:
            raise KeyboardInterrupt
        saved(path, kind, checkpoint, columns)

    with monkeypatch.context() as patch:
        patch.setattr(classifier_run, "write_state_checkpoint", killed)
        assert command(TRAIN, *SHORT, "--out", "run")[0] == 130
    run = tmp_path / "run"
    assert len((run / "history.csv").read_text().splitlines()) == 3
    temporary = run / ".classifier.npz.0123456789abcdef.tmp"
    temporary.write_bytes(b"half")
    assert command(TRAIN, "--resume", "run", "--quiet") == (0, "", "")
    assert not temporary.exists()
    whole = tmp_path / "whole" / "classifier.npz"
    assert (run / "classifier.npz").read_bytes() == whole.read_bytes()


def test_a_finished_run_is_left_as_it_is(command, few_digits, tmp_path):
    assert command(TRAIN, *SHORT, "--out", "run") == (0, "", "")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert command(TRAIN, "--resume", "run", "--quiet") == (0, "", "")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_folder_holds_one_run_at_a_time(command, few_digits, tmp_path):
    assert command(TRAIN, *SHORT, "--out", "run") == (0, "", "")
    lock = RunLock(tmp_path / "run")
    assert_refused(command(TRAIN, "--resume", "run", "--quiet"), "another run is writing into it")
    lock.release()
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        (["--epochs", 4], "--epochs: a resumed run keeps its epochs, 3"),
        (["--batch-size", 10], "--batch-size: a resumed run keeps its batch_size, 20"),
        (["--seed", 5], "--seed: a resumed run keeps its seed, 4"),
        (["--dataset", "mnist-sample"], "--dataset: a resumed run keeps its dataset, mnist"),
        (["--out", "other"], "--out: a resumed run keeps its out, run"),
    ],
)
def test_a_resumed_run_keeps_its_settings(command, few_digits, words, message):
    assert command(TRAIN, *SHORT, "--out", "run") == (0, "", "")
    assert_refused(command(TRAIN, "--resume", "run", "--quiet", *words), message)
    assert command(TRAIN, "--resume", "run", *SHORT, "--device", "cpu") == (0, "", "")


def test_a_run_on_other_images_is_refused(command, few_digits, monkeypatch):
    assert command(TRAIN, *SHORT, "--out", "run") == (0, "", "")
    images, labels = TRAIN.load("mnist", "train", flat=False)
    monkeypatch.setattr(TRAIN, "load", lambda *args, **how: (images, labels[::-1].copy()))
    assert_refused(command(TRAIN, "--resume", "run", "--quiet"), "was trained on, got others")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_a_run_is_refused(command, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert_refused(command(TRAIN, "--resume", name, "--quiet"), name, "expected")


@pytest.mark.parametrize("fault", ["no zip", "of a GAN", "without a setting", "of other weights"])
def test_a_damaged_checkpoint_is_refused(command, few_digits, tmp_path, fault):
    path = tmp_path / "run" / "checkpoint.npz"
    assert command(TRAIN, *SHORT, "--out", "run") == (0, "", "")
    held = held_in(path)
    if fault == "no zip":
        path.write_bytes(b"hello")
    elif fault == "of a GAN":
        shutil.rmtree(tmp_path / "run")
        gan = "--dataset", "mnist-sample", "--recipe", "mlp-leaky", "--steps", 1, "--quiet"
        assert command(example("train_mnist_gan"), *gan, "--out", "run") == (0, "", "")
    else:
        if fault == "without a setting":
            del held.config["seed"]
        else:
            held.arrays["network.value"] = np.zeros(3, np.float32)
        write_state_checkpoint(path, classifier_run.KIND, held, classifier_run.COLUMNS)
    assert_refused(command(TRAIN, "--resume", "run", "--quiet"), "run")


def test_nothing_is_overwritten(command, few_digits, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    assert_refused(
        command(TRAIN, "--batch-size", 20, "--out", "run", "--quiet"), "run", "empty or new folder"
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["save_classifier", "save_confusion"])
def test_a_full_disk_is_reported_in_one_line(command, few_digits, monkeypatch, name):
    monkeypatch.setattr(classifier_run, name, disk_is_full)
    result = command(TRAIN, "--epochs", 1, "--batch-size", 60, "--out", "run", "--quiet")
    assert_refused(result, "run: ", "cannot be written (No space left on device)")


def test_invalid_settings_are_refused(command, few_digits, tmp_path):
    assert_refused(command(TRAIN, "--batch-size", 61, "--quiet"), "batch size", "1 to 60", "61")
    assert not (tmp_path / "runs").exists()
    for words in (
        ("--epochs", 0),
        ("--batch-size", "x"),
        ("--seed", -1),
        ("--dataset", "cifar"),
        ("--device", "tpu"),
    ):
        status, out, err = command(TRAIN, *words)
        assert status == 2 and out == "" and words[0] in err


def test_an_invalid_data_folder_is_refused_before_training(command, tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(
        command(TRAIN, "--data-dir", "file", "--quiet"), "expected a folder of data files"
    )


def test_a_diverging_loss_is_reported_in_one_line(command, few_digits, monkeypatch):
    monkeypatch.setattr(classifier_training, "PEAK_RATE", 1e38)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = command(TRAIN, "--epochs", 3, "--batch-size", 20, "--out", "run", "--quiet")
    assert_refused(result, "the loss is no longer finite")
