"""The images that a generator was trained on, for its nearest neighbours."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan.description import Description
from gan.errors import RunError
from gan.lab.play import training_images as module
from gan.lab.play.training_images import training_images
from gan.latent import Latent
from gan.runs.settings import SOURCE


def about(**training):
    return Description(Latent(4), (-1.0, 1.0), training=training)


def run_with(monkeypatch, data_dir, **how):
    """Let the checkpoint of any run say that its images are there."""
    source = dict.fromkeys(SOURCE) | {"name": data_dir.name} | how
    checkpoint = SimpleNamespace(data_dir=str(data_dir), config={"source": source})
    monkeypatch.setattr(module, "read_checkpoint", lambda path: checkpoint)
    return data_dir / "run"


def test_without_mnist_the_sample_stands_in_and_nothing_is_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    images, name = training_images(about(dataset="mnist"), None)
    assert (name, images.dtype, images.shape[1:]) == ("mnist-sample", np.uint8, (28, 28))
    assert len(images) >= 8_000 and not list(tmp_path.iterdir())
    with pytest.raises(RunError, match="kmnist: expected its files on this machine, got none; "):
        training_images(about(dataset="kmnist"), None)
    with pytest.raises(RunError, match="data set: expected one of"):
        training_images(about(dataset="../x"), None)


def test_own_images_are_those_of_the_run(monkeypatch, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.uint8)
    for k, image in enumerate(colours):
        Image.fromarray(image).save(tmp_path / f"{k}.png")
    run = run_with(monkeypatch, tmp_path, size=16)
    images, name = training_images(about(), run)
    assert name == tmp_path.name and np.array_equal(images, colours)


def test_own_arrays_are_those_of_the_run(monkeypatch, tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "a.npy", grey)
    run = run_with(monkeypatch, tmp_path / "a.npy")
    assert np.array_equal(training_images(about(), run)[0], grey)
    (tmp_path / "a.npy").unlink()
    with pytest.raises(RunError, match="a.npy"):
        training_images(about(), run)


def test_a_run_without_a_checkpoint_has_no_images(tmp_path):
    with pytest.raises(RunError, match="expected a checkpoint, which says where its images are"):
        training_images(about(dataset="mnist"), tmp_path)
