"""`byhand predict`."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gan.classifier.network import logits
from gan.commands.shared import pretrained
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.generator_file import load_sampler
from gan.images import GAP, SCALE, grid
from gan.recipes import DIGITS, recipes_for
from gan.runs.weights import save_trained
from gan.training.trainer import Trainer
from nn import Dense, Sequential, save_weights
from tests.support.small import (  # noqa: F401
    CHECKOUT,
    TINY_BATCHNORM,
    assert_refused,
    command,
    disk_is_full,
    example,
    trainer,
)

predict = example("predict")


def size(rows, columns):
    """Width and height of a picture."""
    return SCALE * (columns * (28 + GAP) + GAP), SCALE * (rows * (28 + GAP) + GAP)


@pytest.fixture
def run(command):  # noqa: F811
    return lambda *words: command(predict, *words)


@pytest.fixture
def weights(tmp_path_factory):
    """The weights file of a tiny run, in a folder of its own."""
    path = tmp_path_factory.mktemp("run") / "weights.npz"
    t = trainer(TINY_BATCHNORM)
    t.fit(steps=3)
    save_trained(path, t, {})
    return path


def samples_of(path):
    with np.load(path, allow_pickle=False) as file:
        assert file.files == ["images"]
        return file["images"]


def picture_of(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.array(picture)


# ---- drawing


@pytest.mark.parametrize("name", recipes_for(DIGITS))
def test_every_recipes_digits_are_drawn_from_the_file_alone(run, tmp_path_factory, tmp_path, name):
    path = tmp_path_factory.mktemp("run")
    t = Trainer(
        replace(recipes_for(DIGITS)[name], batch_size=2), np.zeros((2, 784), np.uint8), np.arange(2)
    )
    save_trained(path / "weights.npz", t, {})
    status, out, err = run(
        "--weights", path / "weights.npz", "--count", 3, "--seed", 1, "--save-samples", "s.npz"
    )
    assert (status, err) == (0, "") and "digits.png: 3 digits; s.npz: 3 images" in out
    images = samples_of("s.npz")
    assert images.shape == (3, 28, 28) and images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1
    sampler = load_sampler(path / "weights.npz")
    assert np.array_equal(images, sampler.images(sampler.inputs(3, 1)))
    low, high = recipes_for(DIGITS)[name].image_range
    assert np.allclose(
        images,
        (t.generator(sampler.inputs(3, 1)).reshape(3, 28, 28) - low) / (high - low),
        atol=1e-6,
    )


def test_the_picture_is_a_grid_of_the_samples(run, weights):
    assert (
        run("--weights", weights, "--count", 5, "--out", "a.png", "--save-samples", "a.npz")[0] == 0
    )
    assert np.array_equal(picture_of("a.png"), grid(samples_of("a.npz")))


def test_by_default_64_digits_go_to_a_free_name(run, weights, tmp_path):
    for name in ("digits.png", "digits-2.png", "digits-3.png"):
        status, out, err = run("--weights", weights)
        assert (status, err) == (0, "") and out == f"{name}: 64 digits\n"
        assert picture_of(name).shape == size(8, 8)[::-1]
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 3  # a new seed each time


def test_equal_seeds_draw_equal_digits(run, weights):
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert (
            run(
                "--weights",
                weights,
                "--seed",
                seed,
                "--count",
                4,
                "--out",
                f"{out}.png",
                "--save-samples",
                f"{out}.npz",
            )[0]
            == 0
        )
    a, b, c = (samples_of(f"{name}.npz") for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert np.array_equal(picture_of("a.png"), picture_of("b.png"))


def test_interpolate_walks_in_rows(run, weights):
    words = "--weights", weights, "--seed", 3, "--interpolate", "--count", 2
    assert run(*words, "--out", "walk.png", "--save-samples", "walk.npz")[0] == 0
    images, sampler = samples_of("walk.npz"), load_sampler(weights)
    assert images.shape == (2 * predict.STEPS, 28, 28)
    assert np.array_equal(images, sampler.walks(2, predict.STEPS, 3))
    with Image.open("walk.png") as picture:
        assert picture.size == size(2, predict.STEPS)


def test_interpolate_changes_the_digit_with_the_default_weights(run):
    assert run("--seed", 3, "--interpolate", "--save-samples", "walk.npz")[0] == 0
    images = np.rint(255 * samples_of("walk.npz")).astype(np.uint8)[:, None]
    digits = logits(load_feature_extractor(), images).argmax(axis=1).reshape(8, predict.STEPS)
    assert np.sum(digits[:, 0] != digits[:, -1]) >= 5


def test_a_picture_is_limited_and_the_samples_are_complete(run, weights, monkeypatch):
    monkeypatch.setattr(predict, "MAX_SHOWN", 9)
    status, out, _ = run(
        "--weights", weights, "--count", 20, "--out", "a.png", "--save-samples", "a.npz"
    )
    assert status == 0 and "9 digits" in out and "20 images" in out
    assert picture_of("a.png").shape == size(3, 3)[::-1] and len(samples_of("a.npz")) == 20


def test_show_opens_the_picture(run, weights, monkeypatch):
    shown = []
    monkeypatch.setattr(Image.Image, "show", lambda self: shown.append(self.size))
    assert run("--weights", weights, "--count", 4, "--show")[0] == 0
    assert shown == [size(2, 2)]


def test_the_command_in_a_real_process(weights, tmp_path):
    words = [
        sys.executable,
        CHECKOUT / "examples" / "predict.py",
        "--weights",
        weights,
        "--out",
        "a.png",
        "--count",
        "2",
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a.png: 2 digits\n", "")
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )  # a.png exists now
    assert_refused((done.returncode, done.stdout, done.stderr), "a.png", "exists already")


# ---- bad input


@pytest.mark.parametrize(
    "words, message",
    [
        (["--count", "0"], ["--count", "at least 1", "got 0"]),
        (["--count", "many"], ["--count", "at least 1", "got many"]),
        (["--count", "100001"], ["--count", "at most 100,000", "100,001"]),
        (["--count", "90000", "--interpolate"], ["--count", "at most 8,333", "90,000"]),
        (["--seed", "-1"], ["--seed", "at least 0", "got -1"]),
        (["--device", "tpu"], ["--device", "tpu", "cuda"]),
        (["--out", "a.jpg"], ["a.jpg", ".png"]),
        (["--out", "no/a.png"], ["no/a.png: ", "cannot be written"]),
        (["--out", "n" * 300 + ".png"], ["n" * 300 + ".png: ", "cannot be written"]),
        (["--save-samples", "a.npy"], ["a.npy", ".npz"]),
        (["--save-samples", "no/a.npz"], ["no/a.npz: ", "cannot be written"]),
    ],
)
def test_an_invalid_argument_is_named(run, weights, tmp_path, words, message):
    assert_refused(run("--weights", weights, *words), *message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option, name", [("--out", "a.png"), ("--save-samples", "a.npz")])
def test_files_are_never_overwritten(run, weights, tmp_path, option, name):
    (tmp_path / name).write_bytes(b"mine")
    assert_refused(run("--weights", weights, option, name), name, "exists already")
    assert [p.name for p in tmp_path.iterdir()] == [name] and (
        tmp_path / name
    ).read_bytes() == b"mine"


def test_a_full_disk_error_names_the_file(run, weights, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", disk_is_full)
    assert_refused(run("--weights", weights, "--out", "a.png"), "a.png: ", "No space left")
    assert list(tmp_path.iterdir()) == []


def damaged(kind, path, whole):
    """Write a damaged weights file; return what the error must say."""
    G = TINY_BATCHNORM.generator().build(seed=0)
    info = {"latent": {"size": 4, "distribution": "normal"}, "image_range": [-1, 1]}
    if kind == "not a zip":
        path.write_bytes(b"hello")
        return ["expected an .npz file"]
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
        return ["expected an .npz file"]
    if kind == "pickled":
        np.savez(path, header=np.array([{"format": 1}], dtype=object))
        return ["pickled"]
    if kind == "not finite":
        save_weights(path, {"G": G}, info)
        with np.load(path) as file:
            arrays = dict(file)
        arrays["G/0.W"][0, 0] = np.nan
        np.savez(path, **arrays)
        return ["'G/0.W'", "not finite"]
    if kind == "no generator":
        save_weights(path, {"D": G}, info)
        return ["'G'"]
    if kind == "of something else":
        save_weights(path, {"G": Sequential(Dense(4, 9)).build(seed=0)}, info)
        return ["784 pixels", "9"]
    if kind == "without a latent":
        save_weights(path, {"G": G}, {})
        return ["how to sample", "latent"]
    return ["no such file"]


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "not a zip",
        "truncated",
        "pickled",
        "not finite",
        "no generator",
        "of something else",
        "without a latent",
    ],
)
def test_a_damaged_weights_file_is_named(run, weights, tmp_path, tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("damaged") / "w.npz"
    words = damaged(kind, path, weights.read_bytes())
    assert_refused(run("--weights", path), path, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_as_weights_file_is_refused(run, tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    assert_refused(run("--weights", folder), folder)


# ---- requested digits


@pytest.fixture
def by_class(tmp_path_factory):
    """Weights of a generator with classes: all pixels of class k are (k + 1) / 10."""
    G = Sequential(Dense(14, 784)).build(seed=0)
    G[0].W[...], G[0].b[...] = 0, 0
    G[0].W[4:] = np.arange(1, 11)[:, None] / 10
    path = tmp_path_factory.mktemp("weights") / "w.npz"
    info = {"latent": {"size": 4, "distribution": "normal"}, "classes": 10, "image_range": [0, 1]}
    save_weights(path, {"G": G}, info)
    return path


def drawn(path):
    """The class of each image."""
    return list(np.rint(samples_of(path)[:, 0, 0] * 10).astype(int) - 1)


@pytest.mark.parametrize(
    "words, want, picture",
    [
        (["--digit", 7, "--count", 3], [7, 7, 7], size(2, 2)),
        (["--digit", 0, "--count", 1], [0], size(1, 1)),
        (["--digits", "314159"], [3, 1, 4, 1, 5, 9], size(1, 6)),
        (["--digits", "007"], [0, 0, 7], size(1, 3)),
        (["--classes"], [k for k in range(10) for _ in range(10)], size(10, 10)),
        (["--classes", "--count", 2], [k for k in range(10) for _ in range(2)], size(10, 2)),
    ],
)
def test_the_requested_digits_are_drawn(run, by_class, words, want, picture):
    status, out, err = run("--weights", by_class, *words, "--save-samples", "s.npz")
    assert (status, err) == (0, "") and f"{len(want)} digits" in out
    assert drawn("s.npz") == want and picture_of("digits.png").shape == picture[::-1]


def test_a_walk_can_be_of_one_digit(run, by_class):
    assert (
        run(
            "--weights",
            by_class,
            "--interpolate",
            "--digit",
            4,
            "--count",
            2,
            "--save-samples",
            "s.npz",
        )[0]
        == 0
    )
    assert drawn("s.npz") == [4] * 24


@pytest.mark.parametrize(
    "words, message",
    [
        (["--digit", 10], "expected a digit, 0 to 9, got '10'"),
        (["--digit", "x"], "expected a digit"),
        (["--digits", "12a"], "'12a'"),
        (["--digits", ""], "up to 100 digits"),
        (["--digits", "1" * 101], "up to 100 digits"),
        (["--digits", "12", "--count", 2], "expected neither --count nor --interpolate"),
        (["--digits", "12", "--interpolate"], "expected neither --count nor --interpolate"),
        (["--classes", "--interpolate"], "expected no --interpolate"),
        (["--digit", 1, "--classes"], "not allowed with"),
        (["--classes", "--count", 241], "at most 240"),
    ],
)
def test_invalid_requests_are_refused_in_one_line(run, by_class, words, message, tmp_path):
    assert_refused(run("--weights", by_class, *words), message)
    assert not list(tmp_path.iterdir())


def test_an_unconditional_generator_refuses_a_digit(run, weights):
    assert_refused(
        run("--weights", weights, "--digit", 3), "expected a generator trained with classes"
    )


def test_missing_pretrained_weights_are_reported(run, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "PRETRAINED", tmp_path / "nowhere")
    assert_refused(run(), "digits.npz", "name a run's weights with --weights")
    assert_refused(run("--digit", 3), "digits-by-class.npz")
