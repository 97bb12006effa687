"""Points of a plane in `byhand train`, `byhand predict` and `byhand evaluate`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.recipes import RECIPES
from gan.runs.checkpoint import read_checkpoint
from gan.scatter import SIDE
from nn import load_weights
from tests.support.small import assert_refused, command, example  # noqa: F401

train, evaluate, predict = example("train_mnist_gan"), example("evaluate"), example("predict")
QUICK = "--quiet", "--device", "numpy"


@pytest.fixture
def run(command, monkeypatch, tmp_path):  # noqa: F811
    """Run a command beside a file of points, with small batches and without curves."""
    monkeypatch.setattr("gan.data.points.point_set.EPOCH", 64)
    monkeypatch.setattr(
        "gan.runs.history.save_curves", lambda path, history: path.write_bytes(b"curves")
    )
    monkeypatch.setitem(RECIPES, "points", replace(RECIPES["points"], batch_size=16))
    points = np.random.default_rng(0).normal((50, -7), 3, (40, 2))
    np.savetxt(tmp_path / "mine.csv", points, delimiter=",", header="x,y", comments="")
    monkeypatch.chdir(tmp_path)
    return command


def weights(folder):
    return load_weights(f"{folder}/weights.npz")[0]["G"].parameters.value.flat.tobytes()


def test_a_run_on_points_is_resumed_and_drawn_from(run, tmp_path):
    run(train, "--data", "mine.csv", "--steps", 3, "--out", "r", *QUICK)
    run(train, "--resume", "r", "--steps", 6, *QUICK)
    run(train, "--data", "mine.csv", "--steps", 6, "--out", "whole", *QUICK)
    assert weights("r") == weights("whole")
    config = json.loads((tmp_path / "r/config.json").read_text())
    assert (config["recipe"], config["images"]) == ("points", 40)
    frames = read_checkpoint("r/checkpoint.npz").frames
    assert all(frame.shape == (1, SIDE, SIDE, 3) for frame in frames.values())
    with Image.open("r/progress.gif") as film:
        assert film.n_frames > 2
    run(predict, "--weights", "r/weights.npz", "--out", "p.png", "--save-samples", "p.npz")
    made = np.load("p.npz")["points"]
    left, bottom, side = config["square"]
    assert made.shape == (1000, 2)
    assert ((made >= (left, bottom)) & (made <= (left + side, bottom + side))).all()
    with Image.open("p.png") as picture:
        assert np.asarray(picture).std() > 0
    assert left < 50 < left + side and bottom < -7 < bottom + side


def test_an_objective_and_a_penalty_replace_the_recipes_and_may_change_later(run):
    new = "--dataset", "circle", "--steps", 2
    run(train, *new, "--objective", "minimax", "--penalty", 0, "--out", "r", *QUICK)
    run(train, *new, "--out", "usual", *QUICK)
    assert weights("r") != weights("usual")
    assert {row["penalty"] for row in read_checkpoint("r/checkpoint.npz").history} == {0}
    run(train, "--resume", "r", "--penalty", 0.5, "--steps", 4, *QUICK)
    assert read_checkpoint("r/checkpoint.npz").history[-1]["penalty"] > 0
    assert json.loads(Path("r/config.json").read_text())["objective"] == "minimax"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "mine.csv", "--size", 32), "--size: expected images with it, got the points"),
        (("--dataset", "circle", "--patience", 1), "--patience: expected images with it"),
        (("--dataset", "circle", "--evaluate-every", 1), "--evaluate-every: expected images with"),
        (("--dataset", "circle", "--recipe", "conv-r1r2"), "got two coordinates; take the recipe"),
        (("--dataset", "mnist-sample", "--recipe", "points"), "expected images of two coordinates"),
    ],
)
def test_what_is_for_images_is_refused_by_name(run, options, message):
    assert_refused(run(train, *options, *QUICK), message)


def test_points_are_not_evaluated(run):
    run(train, "--recipe", "points", "--steps", 1, "--out", "r", *QUICK)
    assert json.loads(Path("r/config.json").read_text())["dataset"] == "eight-gaussians"
    message = "expected a generator of images, got one of points"
    assert_refused(run(evaluate, "--weights", "r/weights.npz"), message)
