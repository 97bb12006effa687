"""Batches: orders, scaling, classes and copies."""

import copy
import pickle

import numpy as np
import pytest

from gan.data.batches import Batches
from gan.errors import RunError
from nn import get_ops
from tests.support.small import digits

OPS = get_ops("cpu")


def batches(images, batch_size, image_range=(0.0, 255.0), seed=0):
    return Batches(images, batch_size, image_range, OPS, OPS.stream(np.random.SeedSequence(seed)))


def epoch(source, number, pixels):
    """The batches of one epoch, concatenated."""
    out = OPS.empty((source.batch_size, pixels), "float32")
    rows = []
    for step in range(number * source.per_epoch, (number + 1) * source.per_epoch):
        source.gather(step, out=out)
        rows.append(out.copy())
    return np.concatenate(rows)


def numbers(rows):
    """The numbers of the images, which are their first pixels."""
    return rows[:, 0].astype(int)


def test_an_epoch_holds_each_image_at_most_once_and_is_whole():
    images = digits(43, 6)
    source = batches(images, 8)
    assert source.per_epoch == 5
    rows = epoch(source, 0, 6)
    assert len(set(numbers(rows))) == len(rows) == 40
    assert np.array_equal(rows, images[numbers(rows)].astype(np.float32))


def test_a_batch_size_that_divides_the_data_leaves_nothing_out():
    source = batches(digits(40, 6), 8)
    for number in range(3):
        assert sorted(numbers(epoch(source, number, 6))) == list(range(40))


def test_each_epoch_has_its_own_order():
    source = batches(digits(40, 6), 8)
    orders = {tuple(numbers(epoch(source, number, 6))) for number in range(4)}
    assert len(orders) == 4 and tuple(range(40)) not in orders


def test_batches_are_mixed_anew_not_only_reordered():
    source = batches(digits(40, 6), 8)
    members = [
        frozenset(numbers(rows))
        for number in range(2)
        for rows in np.split(epoch(source, number, 6), 5)
    ]
    assert len(set(members)) == 10


def test_images_left_over_in_one_epoch_occur_in_later_ones():
    source = batches(digits(43, 6), 8)
    seen = [set(numbers(epoch(source, number, 6))) for number in range(6)]
    assert set.union(*seen) == set(range(43))
    assert len({frozenset(range(43)) - s for s in seen}) > 1  # not always the same three


def test_each_order_is_about_equally_likely():
    first = np.bincount(
        [numbers(epoch(batches(digits(4, 2), 2, seed=s), 0, 2))[0] for s in range(400)], minlength=4
    )
    assert first.min() > 60 and first.max() < 145  # 100 each; 5 standard deviations are 43


def test_equal_seeds_give_equal_orders():
    a, b, c = (epoch(batches(digits(43, 6), 8, seed=s), 0, 6) for s in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


@pytest.mark.parametrize("low, high", [(-1.0, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-7), ("float64", 4e-16)])
def test_bytes_become_the_image_range(low, high, dtype, tolerance):
    every = np.arange(256, dtype=np.uint8).reshape(1, 256)
    out = OPS.empty((1, 256), dtype)
    batches(every, 1, (low, high)).gather(0, out=out)
    assert out.dtype == dtype
    assert np.abs(out[0] - (low + (high - low) * np.arange(256) / 255)).max() <= tolerance
    assert (out[0, 0], out[0, 255]) == (low, high)


def test_images_of_any_shape_become_rows():
    images = digits(10, 12)
    flat, square = (
        epoch(batches(images, 5), 0, 12),
        epoch(batches(images.reshape(10, 1, 3, 4), 5), 0, 12),
    )
    assert np.array_equal(flat, square)


def test_the_callers_images_are_unchanged():
    images = digits(20, 6)
    before = images.copy()
    epoch(batches(images, 4), 0, 6)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("batch_size", [0, -1, 11, 2.0, "4"])
def test_an_invalid_batch_size_is_refused(batch_size):
    with pytest.raises(RunError, match="batch size: expected 1 to 10"):
        batches(digits(10, 6), batch_size)


@pytest.mark.parametrize(
    "images, words",
    [
        (
            np.zeros((5, 6), np.float32),
            r"got float32 \(5, 6\); convert values in \[0, 1\] by np\.rint\(255 \* images\)",
        ),
        (np.zeros((5, 6), bool), r"got bool \(5, 6\); convert them by 255"),
        (
            np.zeros((5, 6), np.int64),
            r"got int64 \(5, 6\); convert values in 0\.\.255 by images\.astype",
        ),
        (np.zeros((5, 6), np.uint16), "got uint16"),
        (np.zeros((5, 6), object), r"got object \(5, 6\); make them one array"),
        (np.zeros(5, np.uint8), r"got uint8 \(5,\); the array needs an axis for the images"),
        (np.uint8(3), "got uint8; make them"),
        ([[0, 255]], "got list; make them one array"),
        (None, "got NoneType"),
        ((n for n in range(3)), "got generator"),
    ],
)
def test_invalid_images_are_refused(images, words):
    with pytest.raises(RunError, match=f"images: expected a uint8 array.*{words}"):
        batches(images, 1)


@pytest.mark.parametrize("shape", [(0, 6), (5, 0), (5, 0, 3)])
def test_empty_images_are_refused(shape):
    with pytest.raises(RunError, match="images: expected at least one image of at least one pixel"):
        batches(np.zeros(shape, np.uint8), 1)


def test_images_scaled_to_0_and_1_are_refused():
    """They would train as black images."""
    with pytest.raises(
        RunError,
        match=r"images: expected uint8 in 0\.\.255, got no value above 1; multiply them by 255",
    ):
        batches(np.eye(5, 6, dtype=np.uint8), 1)
    batches(np.zeros((5, 6), np.uint8), 1)


def test_labels_come_with_their_images():
    images, labels = digits(43, 6), np.random.default_rng(1).integers(0, 3, 43)
    source, out, classes = (
        batches(images, 8),
        OPS.empty((8, 6), "float32"),
        OPS.empty((8, 3), "float32"),
    )
    source.set_labels(labels, 3)
    kept, labels[:] = labels.copy(), 0
    for step in range(source.per_epoch):
        source.gather(step, out=out, class_onehot=classes)
        assert np.array_equal(classes, np.eye(3)[kept[numbers(out)]])


@pytest.mark.parametrize(
    "labels, words",
    [
        (None, "got none"),
        ((k for k in range(10)), "got generator"),
        (np.zeros(9, int), r"got int64 \(9,\)"),
        (np.zeros(10), r"got float64 \(10,\)"),
        (np.full(10, None), "got ndarray"),
    ],
)
def test_invalid_labels_are_refused(labels, words):
    with pytest.raises(
        RunError, match=f"labels: expected an integer for each of 10 images.*{words}"
    ):
        batches(digits(10, 6), 2).set_labels(labels, 3)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda source: pickle.loads(pickle.dumps(source))])
def test_a_copy_continues_alike_and_independently(make):
    source = batches(digits(43, 6), 8)
    epoch(source, 0, 6)
    twin = make(source)
    first, second = (
        [numbers(epoch(each, number, 6)) for number in (1, 2)] for each in (source, twin)
    )
    assert np.array_equal(first, second)
