"""Run folders that version 0.1.0 wrote can be resumed and drawn from."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gan import recipes
from gan.data.datasets import load
from gan.images import grid
from gan.own_recipes import FORMER
from nn import load_weights
from tests.oracles.make_run_0_1 import CLUSTERS, COUNT, MORE, N_IMAGES, NETWORKS, OUT, SEED, STEPS
from tests.support.small import command, example  # noqa: F401
from tests.support.tools import assert_close

train, predict = example("train_mnist_gan"), example("predict")
TOLERANCE = 1e-5  # rounding depends on the processor, and on Adam's v, which was scaled otherwise
# The gradient of a bias before batch norm is rounding only, which Adam scales up to full steps
ARBITRARY = {"conv-clusters": {"G/4.b"}}


@pytest.fixture(params=NETWORKS)
def name(request, monkeypatch):
    """The name of the recipe, which gets the narrow networks of the stored folder."""
    make_generator, make_discriminator = NETWORKS[request.param]
    place = FORMER if request.param in FORMER else recipes.RECIPES
    recipe = place[request.param]
    narrow = replace(
        recipe,
        make_generator=make_generator,
        make_discriminator=make_discriminator,
        clusters=CLUSTERS if recipe.clusters else 0,
    )
    monkeypatch.setitem(place, request.param, narrow)

    def load_first(*args, **kwargs):
        return [array[:N_IMAGES] for array in load(*args, **kwargs)]

    monkeypatch.setattr("gan.runs.starting.training_data.load", load_first)
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    """A copy of the stored folder."""
    return shutil.copytree(OUT / name, tmp_path / "run")


@pytest.fixture
def later(name):
    """What version 0.1.0 made of the folder."""
    with np.load(OUT / f"{name}.later.npz") as arrays:
        return dict(arrays)


def test_it_resumes_to_the_weights_of_version_0_1_0(command, name, folder, later):  # noqa: F811
    first = (folder / "history.csv").read_text().splitlines()
    assert command(train, "--resume", folder, "--steps", STEPS + MORE, "--quiet") == (0, "", "")
    networks, info = load_weights(folder / "weights.npz", device="numpy")
    assert info["training"]["steps_done"] == STEPS + MORE
    G = networks["G"].parameters
    arrays = {f"G/{key}": array for part in (G.value, G.statistics) for key, array in part.items()}
    assert set(arrays) == {key for key in later if key.startswith("G/")}
    averaged = recipes.get_recipe(name).ema_decay is not None  # its statistics were averaged too
    for key in set(arrays) - ARBITRARY.get(name, set()):
        if not (averaged and ".running_" in key):
            assert_close(arrays[key], later[key], TOLERANCE)
    header, *rows = (folder / "history.csv").read_text().splitlines()
    assert header == first[0] and rows[-1].split(",")[1] == str(STEPS + MORE)
    assert json.loads((folder / "config.json").read_text())["steps"] == STEPS + MORE
    assert (folder / "progress.gif").exists() and any((folder / "samples").iterdir())


def test_it_draws_the_images_of_version_0_1_0(command, folder, later):  # noqa: F811
    words = "--weights", folder / "weights.npz", "--seed", SEED, "--count", COUNT
    words += "--device", "numpy", "--save-samples", "s.npz", "--out", "a.png"
    assert command(predict, *words)[0] == 0
    with np.load("s.npz") as file:
        images = file["images"]
    assert images.dtype == later["drawn"].dtype == np.float32
    assert_close(images, later["drawn"], TOLERANCE)
    with Image.open("a.png") as picture:
        assert np.array_equal(np.array(picture), grid(later["drawn"]))
