"""Measuring images of any kind."""

import numpy as np
import pytest

from gan.classifier.image_classifier import image_classifier
from gan.errors import DataError
from gan.evaluation import fid, precision_recall
from gan.evaluation.image_evaluator import ImageEvaluator
from gan.evaluation.samples import as_pixels
from nn import get_ops

SHAPE = 3, 8, 8


@pytest.fixture(scope="module")
def network():
    return image_classifier(SHAPE, 4).build(0, device=get_ops("numpy"))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (43, *SHAPE), np.uint8)


def look(network, images):
    x = images.astype(np.float32) / np.float32(255)
    return network[:-1](x), network(x).argmax(axis=1)


def test_the_figures_are_those_of_features_against_one_half(network, images):
    labels = np.arange(43) % 4
    evaluator = ImageEvaluator(network, images, labels)
    features, classes = look(network, images)
    assert (evaluator.n_held_out, evaluator.count) == (43, 21)
    assert evaluator.accuracy == (classes == labels).mean()
    assert evaluator.guessing == 11 / 43
    floor = evaluator.floor(21, True)
    assert floor["fid"] == pytest.approx(fid(features[21:42], features[:21]), rel=1e-4)
    assert (floor["precision"], floor["recall"]) == precision_recall(features[:21], features[21:42])
    assert floor["recognised"] == (classes[21:42] == labels[21:42]).mean()
    close = pytest.approx(floor, rel=1e-4)  # batches of another size round differently
    assert evaluator.evaluate(images[21:42], labels[21:42]) == close
    assert "recognised" not in evaluator.floor(10, False)
    first = pytest.approx(evaluator.floor(10, False), rel=1e-4)
    assert evaluator.evaluate(images[21:31]) == first
    assert evaluator.fid(images[21:42]) == pytest.approx(floor["fid"], rel=1e-4)


def test_pictures_count_as_pixels(network, images):
    evaluator = ImageEvaluator(network, images, np.zeros(43, int))
    pictures = images[:30].transpose(0, 2, 3, 1) / np.float32(255)
    assert evaluator.fid(pictures) == evaluator.fid(images[:30])


def test_few_images_are_refused(network, images):
    with pytest.raises(DataError, match="expected at least 8 held out of training, .* got 7"):
        ImageEvaluator(network, images[:7], np.zeros(7, int))


@pytest.mark.parametrize("shape", [(2, 5, 7), (2, 5, 7, 3), (2, 3, 5, 7), (2, 1, 5, 7)])
def test_any_order_of_the_axes_becomes_pixels(shape):
    rng = np.random.default_rng(0)
    given = rng.random(shape, np.float32)
    channels = 3 if 3 in shape else 1
    pixels = as_pixels(given, (channels, 5, 7))
    assert pixels.shape == (2, channels, 5, 7) and pixels.dtype == np.uint8
    back = pixels.transpose(0, 2, 3, 1) if shape[-1] == 3 else pixels.reshape(shape)
    assert np.abs(back / 255 - given).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 9, 9), np.uint8), "expected 8 x 8 in colour, .* got shape"),
        (np.zeros((2, 3, 8, 8), np.int64), "expected uint8 .* or floats .* got int64"),
        (np.full((2, 3, 8, 8), 1.5), "got float64 of 1.5 to 1.5"),
        (np.full((2, 3, 8, 8), np.nan), "got float64 of nan to nan"),
        (np.zeros((0, 3, 8, 8)), "expected at least one image, got none"),
    ],
)
def test_other_arrays_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        as_pixels(images, SHAPE)
