"""The residual classifier: a tiny run on colours, and what it refuses."""

import re
import tarfile

import numpy as np
import pytest

from gan.data import ImageSet
from nn import load_weights
from tests.examples.loading import program
from tests.gan.data.images.pictures import classes_of, folder_of
from tests.support.small import assert_refused

SMALL = ("--width", 2, "--batch-size", 5)


@pytest.fixture(autouse=True)
def cache_of_the_test(monkeypatch, tmp_path):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def colours(tmp_path):
    """A folder of training and test images, each of one of three colours."""
    classes_of(tmp_path / "colours" / "train")
    classes_of(tmp_path / "colours" / "test", 2)
    return tmp_path / "colours"


def test_it_learns_colours(command, colours, tmp_path):
    archive = tmp_path / "colours.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(colours, "colours")
    words = ("--data", archive, *SMALL, "--epochs", 12, "--out", "out")
    status, out, err = command(program("resnet_cifar"), *words)
    assert (status, err) == (0, "")
    assert "15 training and 6 test images of 3 classes" in out and "; 36 steps\n" in out
    shares = re.findall(
        r"^step \d+: loss [\d.]+, ([\d.]+)% of the test images right", out, re.MULTILINE
    )
    assert len(shares) == 12 and shares[-1] == "100.00"
    networks, info = load_weights(tmp_path / "out" / "weights.npz")
    assert info["classes"] == ["blue", "green", "red"]
    assert networks["classifier"].output_shape((3, 32, 32)) == (3,)


def test_it_takes_cifar10(command, monkeypatch):
    module, rng = program("resnet_cifar"), np.random.default_rng(0)

    def images(split, data_dir):
        n = {"train": 10, "test": 4}[split]
        pixels = rng.integers(0, 256, (n, 3, 32, 32)).astype(np.uint8)
        return ImageSet(pixels, np.arange(n) % 2, ("cat", "dog"))

    monkeypatch.setattr(module, "cifar10", images)
    status, out, _ = command(module, *SMALL, "--steps", 1)
    assert status == 0 and "; 1 steps\nstep 1: loss " in out and "resnet-" in out


def test_images_are_flipped_and_not_the_set(monkeypatch):
    module = program("resnet_cifar")
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8)).astype(np.uint8)
    before, labels, seen = images.copy(), np.arange(40), {}
    args = module.Namespace(batch_size=10, epochs=1, steps=None, rate=0.1, seed=0)
    trainer = module.Trainer(module.residual_network(40, 1).build(0), images, labels, args)
    monkeypatch.setattr(
        trainer, "update", lambda x, labels, value: seen.update(zip(labels.tolist(), x))
    )
    trainer.epoch(lambda: None)
    expected, flipped = module.as_input(images), 0
    assert sorted(seen) == list(range(40)) and (images == before).all()
    for k, x in seen.items():
        flip = not np.array_equal(x, expected[k])
        flipped += flip
        assert np.array_equal(x, expected[k, :, :, ::-1] if flip else expected[k])
    assert 10 < flipped < 30
    assert expected.dtype == np.float32 and -1 <= expected.min() < -0.9 < 0.9 < expected.max() <= 1


def test_the_learning_rate_rises_and_falls():
    module = program("resnet_cifar")
    args = module.Namespace(batch_size=1, epochs=20, steps=None, rate=0.5, seed=0)
    images = np.zeros((1, 3, 8, 8), np.uint8)
    trainer = module.Trainer(module.residual_network(2, 1).build(0), images, np.zeros(1, int), args)
    rates = [0.5 * trainer.schedule(step) for step in range(20)]
    assert rates[:5] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])
    assert rates[-1] == pytest.approx(0.5 / 16) and trainer.schedule(20) == 0


def test_classes_that_differ(command, colours):
    (colours / "test" / "red").rename(colours / "test" / "rot")
    result = command(program("resnet_cifar"), "--data", colours, *SMALL)
    assert_refused(
        result, "expected the same classes in train/ and test/, got blue, green, red and"
    )


def test_a_folder_without_test_images(command, tmp_path):
    folder_of(tmp_path / "photos" / "train", 2)
    folder_of(tmp_path / "photos" / "holidays", 2)
    result = command(program("resnet_cifar"), "--data", tmp_path / "photos", *SMALL)
    assert_refused(result, "photos")


def test_a_batch_larger_than_the_set(command, colours):
    result = command(program("resnet_cifar"), "--data", colours, "--batch-size", 16)
    assert_refused(result, "batch size: expected 1 to 15, the number of training images, got 16")


def test_a_rate_that_is_too_large(command, colours, tmp_path):
    result = command(program("resnet_cifar"), "--data", colours, *SMALL, "--rate", 1e30)
    assert_refused((result[0], "", result[2]), "expected a finite loss", "try a --rate below 1e+30")
