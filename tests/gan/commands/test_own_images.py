"""`byhand train --data` and `byhand predict` with images of other shapes than MNIST's."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.commands.shared.pasting import to_paste
from gan.data import from_array
from gan.description import MAX_CLASSES
from gan.generator_file import load_sampler
from gan.images import grid
from gan.recipes import CONV_CLUSTERS, RECIPES, get_recipe
from gan.runs.checkpoint import read_checkpoint
from gan.runs.starting.own_images import with_clusters
from nn import InverseSqrtSchedule
from tests.gan.data.images.pictures import classes_of, folder_of, save
from tests.support.small import assert_refused, command, example  # noqa: F401

train, predict = example("train_mnist_gan"), example("predict")
CLASSES = "--recipe", "conv-r1r2-classes", "--labels", "folders"
QUICK = "--batch-size", 4, "--device", "numpy", "--quiet"


@pytest.fixture
def run(command, monkeypatch, tmp_path_factory):  # noqa: F811
    """Run a command without curves, and with a cache of its own."""
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path_factory.mktemp("cache")))
    return command


@pytest.fixture
def photos(tmp_path_factory):
    """A folder of JPEGs in colour of mixed sizes in two classes."""
    root, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for name in ("dawn", "dusk"):
        for k in range(6):
            pixels = rng.integers(0, 256, (30 + k, 40 - 2 * k, 3), np.uint8)
            save(root / name / f"{k}.jpg", Image.fromarray(pixels))
    return root


def samples_of(path):
    with np.load(path) as file:
        return file["images"]


def picture_of(path):
    with Image.open(path) as picture:
        return np.array(picture)


# ---- from a folder to pictures


def test_a_folder_of_mixed_jpegs_end_to_end(run, photos, tmp_path):
    words = "--batch-size", 4, "--device", "numpy", "--out", "here"
    status, out, _ = run(train, "--data", photos, *CLASSES, "--steps", 2, *words)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"{photos}: 12 images of 6 sizes, 30 x 35 to 40 x 30, cropped to 32")
    assert lines[0].endswith("in colour; 2 classes")
    assert lines[1].startswith("conv-r1r2-classes on 12 images of photos, on ")
    assert "draw more images with" in out
    assert "measure how good they are with" in out
    assert lines[-1].strip() == to_paste("evaluate", "--weights", tmp_path / "here/weights.npz")

    frames = samples_of("here/fixed_samples.npz")
    assert frames.shape == (3, 64, 32, 32, 3) and frames.dtype == np.uint8
    assert np.array_equal(picture_of("here/samples/latest.png"), grid(frames[-1] / 255))
    with Image.open("here/progress.gif") as gif:
        assert gif.n_frames == 3 and gif.convert("RGB").size == (548, 548)
    config = json.loads((tmp_path / "here/config.json").read_text())
    assert config["dataset"] is None and config["source"]["labels"] == "folders"
    assert str(photos.parent) not in json.dumps(config)  # the weights file holds it too

    weights = "--weights", "here/weights.npz", "--seed", 1
    assert load_sampler("here/weights.npz").class_names == ("dawn", "dusk")
    status, out, err = run(
        predict, *weights, "--class", "dusk", "--count", 3, "--save-samples", "s.npz"
    )
    assert (status, out, err) == (0, "images.png: 3 images; s.npz: 3 images\n", "")
    images = samples_of("s.npz")
    assert images.shape == (3, 32, 32, 3) and images.dtype == np.float32
    assert np.array_equal(picture_of("images.png"), grid(images))

    assert run(predict, *weights, "--classes", "--count", 2, "--out", "rows.png")[0] == 0
    assert picture_of("rows.png").shape == (140, 140, 3)
    walk = "--interpolate", "--count", 2, "--out", "walk.png", "--save-samples", "walk/"
    assert run(predict, *weights, *walk)[0] == 0
    assert len(list((tmp_path / "walk").iterdir())) == 24
    assert picture_of("walk/000023.png").shape == (32, 32, 3)

    done = run(predict, *weights, "--class", "dus")
    assert_refused(done, "--class: expected one of dawn, dusk, got 'dus'")
    assert_refused(run(predict, *weights, "--digit", 1), "--digit: expected one of dawn, dusk")


@pytest.mark.parametrize(
    "recipe, channels, side",
    [
        ("conv-clusters", 1, 16),
        ("conv-clusters", 3, 48),
        ("mlp-smoothed", 1, 16),
        ("mlp-smoothed", 3, 32),
    ],
)
def test_other_sizes_train_resume_and_draw(run, tmp_path_factory, recipe, channels, side):
    folder = folder_of(tmp_path_factory.mktemp("data"), 12)
    how = "--data", folder, "--size", side, "--channels", channels, "--recipe", recipe
    assert run(train, *how, *QUICK, "--steps", 4, "--out", "whole") == (0, "", "")
    assert run(train, *how, *QUICK, "--steps", 2, "--out", "parts") == (0, "", "")
    assert run(train, "--resume", "parts", "--steps", 4, "--quiet") == (0, "", "")
    shape = (side, side, 3)[: channels // 2 + 2]
    ends = [read_checkpoint(f"{name}/checkpoint.npz") for name in ("whole", "parts")]
    assert all(end.frames[4].shape == (64, *shape) for end in ends)
    for name, array in ends[0].arrays.items():
        assert np.array_equal(array, ends[1].arrays[name]), name
    words = "--weights", "parts/weights.npz", "--count", 2, "--save-samples", "s.npz"
    assert run(predict, *words)[0] == 0 and samples_of("s.npz").shape == (2, *shape)


def test_the_rates_for_colour_fall_and_go_on_falling_when_resumed(run, photos, monkeypatch):
    colour = CONV_CLUSTERS.colour | {"schedule": InverseSqrtSchedule(2)}
    short = replace(CONV_CLUSTERS, colour=colour)
    monkeypatch.setitem(RECIPES, short.name, short)
    words = "--data", photos, "--size", 16, *QUICK
    assert run(train, *words, "--steps", 5, "--out", "whole") == (0, "", "")
    assert run(train, *words, "--steps", 3, "--out", "parts") == (0, "", "")
    assert run(train, "--resume", "parts", "--steps", 5, "--quiet") == (0, "", "")
    ends = [read_checkpoint(f"{name}/checkpoint.npz") for name in ("whole", "parts")]
    for name, array in ends[0].arrays.items():
        assert np.array_equal(array, ends[1].arrays[name]), name
    assert run(train, *words, "--schedule", "constant", "--steps", 5, "--out", "not") == (0, "", "")
    constant = read_checkpoint("not/checkpoint.npz").arrays
    assert any(not np.array_equal(x, constant[name]) for name, x in ends[0].arrays.items())


def test_an_array_in_a_file_is_trained_on(run, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), np.uint8)
    np.savez(tmp_path / "noise.npz", images=images, labels=np.arange(8) % 3)
    words = "--data", "noise.npz", "--recipe", "conv-r1r2-classes", *QUICK, "--steps", 1
    assert run(train, *words, "--out", "here") == (0, "", "")
    sampler = load_sampler("here/weights.npz")
    assert sampler.class_names == ("0", "1", "2") and sampler.image_shape == (1, 16, 16)
    assert_refused(
        run(train, *words, "--size", 32), "--size: expected a folder or archive", "without --size"
    )


# ---- resuming


def test_a_resumed_run_finds_its_images_and_refuses_others(run, photos, tmp_path):
    assert run(train, "--data", photos, *CLASSES, *QUICK, "--steps", 1, "--out", "here")[0] == 0
    before = (tmp_path / "here/checkpoint.npz").read_bytes()
    resume = "--resume", "here", "--steps", 2, "--quiet"
    assert_refused(
        run(train, *resume, "--size", 64), "--size: a resumed run keeps its size, the default"
    )
    assert_refused(run(train, *resume, "--dataset", "mnist"), "keeps its dataset, photos")

    moved = photos.rename(photos.with_name("moved"))
    assert_refused(run(train, *resume), f"{photos}: expected a folder")
    (moved / "dawn" / "0.jpg").unlink()
    done = run(train, *resume, "--data", moved)
    assert_refused(done, f"{moved}: expected the 12 images that the run was trained on, got others")
    assert (tmp_path / "here/checkpoint.npz").read_bytes() == before
    shutil.copy(moved / "dusk" / "0.jpg", moved / "dawn" / "0.jpg")
    assert_refused(run(train, *resume, "--data", moved), "got others")


def test_a_moved_folder_continues_a_run(run, photos):
    assert run(train, "--data", photos, *QUICK, "--steps", 1, "--out", "here")[0] == 0
    moved = photos.rename(photos.with_name("moved"))
    assert run(train, "--resume", "here", "--steps", 2, "--quiet", "--data", moved)[0] == 0
    assert run(train, "--resume", "here", "--steps", 3, "--quiet")[0] == 0


# ---- refusals


@pytest.mark.parametrize(
    "words, message",
    [
        (("--dataset", "mnist"), "not allowed with"),
        (("--recipe", "dcgan"), "recipe dcgan: expected images of 28 x 28 in grey"),
        (("--recipe", "conv-r1r2-classes"), "expected images with classes, got none"),
        (("--size", 30), "expected sides divisible by 4"),
        (("--size", 2), "size: expected 4 to 1,024 pixels, got 2"),
        (("--channels", 2), "--channels"),
        (("--fit", "zoom"), "--fit: expected one of crop, pad, stretch"),
        (("--background", "no"), "background: expected a colour"),
        (("--evaluate-every", 1), "expected at least 8 held out of training"),
        (("--batch-size", 99), "batch size: expected 1 to 12"),
    ],
)
def test_what_does_not_fit_is_refused(run, photos, tmp_path, words, message):
    quick = [] if "--batch-size" in words else QUICK[:2]
    done = run(train, "--data", photos, *quick, *words, "--quiet", "--out", "here")
    assert_refused(done, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("--size", 32), ("--labels", "folders"), ("--fit", "pad")])
def test_options_about_own_images_need_them(run, words):
    assert_refused(run(train, *words), f"{words[0]}: expected --data with it, got none")


def test_a_path_without_images_is_named(run, tmp_path_factory):
    nowhere = tmp_path_factory.mktemp("data") / "nowhere"
    assert_refused(run(train, "--data", nowhere, "--quiet"), nowhere, "no such file")
    (nowhere / "deep").mkdir(parents=True)
    assert_refused(run(train, "--data", nowhere, "--quiet"), nowhere, "expected images")


def test_a_class_by_name_needs_weights_with_classes(run, tmp_path_factory):
    folder = classes_of(tmp_path_factory.mktemp("data"))
    assert run(train, "--data", folder, *QUICK, "--steps", 1, "--out", "here")[0] == 0
    done = run(predict, "--weights", "here/weights.npz", "--class", "red")
    assert_refused(done, "--class: expected a generator trained with classes")


def test_a_digit_is_a_class_by_its_name(run):
    same = "--seed", 1, "--count", 2
    assert run(predict, "--digit", 7, *same, "--save-samples", "a.npz")[0] == 0
    assert run(predict, "--class", 7, *same, "--save-samples", "b.npz")[0] == 0
    assert np.array_equal(samples_of("a.npz"), samples_of("b.npz"))


def test_samples_go_into_a_new_folder_only(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(b"mine")
    done = run(predict, "--count", 1, "--save-samples", "mine/")
    assert_refused(done, "mine: expected a new folder")
    assert run(predict, "--count", 1, "--save-samples", "new/")[0] == 0
    assert picture_of("new/000000.png").shape == (28, 28)


def test_cifar10_is_a_data_set_by_name(run, monkeypatch):
    images = from_array(
        np.random.default_rng(0).integers(0, 256, (8, 3, 32, 32), np.uint8), np.arange(8) % 2
    )
    monkeypatch.setattr("gan.runs.starting.own_images.cifar10", lambda **how: images)
    words = "--dataset", "cifar10", "--recipe", "conv-r1r2-classes", *QUICK, "--out", "here"
    assert run(train, *words, "--steps", 1) == (0, "", "")
    assert run(train, "--resume", "here", "--steps", 2, "--quiet") == (0, "", "")
    sampler = load_sampler("here/weights.npz")
    assert sampler.image_shape == (3, 32, 32) and sampler.class_names == ("0", "1")
    refused = run(train, "--dataset", "cifar10", "--recipe", "two-layer", "--quiet")
    assert_refused(refused, "recipe two-layer: expected images of 28 x 28 in grey")


def test_few_images_have_few_clusters_also_when_resumed(run, tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "noise.npy"
    np.save(root, np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8))
    assert run(train, "--data", root, *QUICK, "--steps", 1, "--out", "here") == (0, "", "")
    config = json.loads(Path("here/config.json").read_text())
    assert config["clusters"] == load_sampler("here/weights.npz").condition.num_classes == 10
    assert run(train, "--resume", "here", "--steps", 2, "--quiet") == (0, "", "")
    assert load_sampler("here/weights.npz").condition.num_classes == 10


@pytest.mark.parametrize(
    "n_images, clusters",
    [(20, 10), (549, 10), (550, 11), (1_600, 32), (29_999, 599), (50_000, 600)],
)
def test_a_cluster_has_fifty_images_or_more(n_images, clusters):
    config = {}
    recipe = with_clusters(get_recipe("conv-clusters"), n_images, config, is_new=True)
    assert recipe.clusters == config["clusters"] == clusters
    assert with_clusters(get_recipe("conv-r1r2"), n_images, {}, is_new=True).clusters == 0


@pytest.mark.parametrize(
    "n_images, classes, clusters",
    [(20, 2, 5), (20, 30, 1), (4_000, 4, 20), (10**6, 10, 40), (10**6, 50, 20), (10**6, 999, 1)],
)
def test_classes_are_divided_into_clusters_of_fifty_images_or_more(n_images, classes, clusters):
    recipe = replace(get_recipe("conv-clusters"), classes=classes, clusters=40)
    made = with_clusters(recipe, n_images, {}, is_new=True)
    assert made.clusters == clusters and made.num_classes == classes * clusters <= MAX_CLASSES
