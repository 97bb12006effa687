"""Shifted batches."""

import numpy as np
import pytest

from gan.classifier.augment import ShiftedBatches
from gan.errors import RunError


def padded_digits(n, margin=2, seed=0):
    """Random images with an empty margin, so that a shift loses nothing."""
    images = np.zeros((n, 1, 12, 12), np.uint8)
    inside = images[:, 0, margin : 12 - margin, margin : 12 - margin]
    inside[...] = np.random.default_rng(seed).integers(1, 256, inside.shape)
    return images


def shifts(got, originals):
    """The only (down, right) by which each image can have been shifted: (N, 2)."""
    places = np.array([(d, r) for d in range(-3, 4) for r in range(-3, 4)])
    same = np.array(
        [(np.roll(originals, place, (2, 3)) == got).all(axis=(1, 2, 3)) for place in places]
    )
    assert (same.sum(axis=0) == 1).all()
    return places[same.argmax(axis=0)]


def batches(images, labels=None, batch_size=10, seed=0, **settings):
    labels = np.arange(len(images)) if labels is None else labels
    return ShiftedBatches(images, labels, batch_size, np.random.default_rng(seed), **settings)


def test_each_image_is_shifted_and_all_shifts_are_equally_likely():
    images = padded_digits(100)
    shifted = batches(images, batch_size=100)
    found = []
    for step in range(25):
        got, labels = shifted.batch(step)
        assert got.shape == (100, 1, 12, 12) and got.dtype == np.uint8
        found.append(shifts(got, images[labels]))
    places, counts = np.unique(np.concatenate(found), axis=0, return_counts=True)
    assert {tuple(place) for place in places} == {
        (d, r) for d in range(-2, 3) for r in range(-2, 3)
    }
    # 2,500 draws, 100 +- 9.8 for each shift, none included
    assert 60 <= counts.min() and counts.max() <= 145


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_reach_is_the_largest_shift(reach):
    images = padded_digits(40, margin=3)
    shifted = batches(images, batch_size=40, reach=reach)
    got = np.concatenate(
        [shifts(moved, images[labels]) for moved, labels in map(shifted.batch, range(4))]
    )
    assert np.abs(got).max() == reach


def test_pixels_that_enter_at_an_edge_are_background_and_the_input_is_unchanged():
    images = np.full((50, 1, 6, 6), 255, np.uint8)
    moved = batches(images, batch_size=50).batch(0)[0]
    assert 4 * 4 * 255 in moved.sum(axis=(1, 2, 3)) and (moved[:, 0, 2:4, 2:4] == 255).all()
    for each in moved:
        rows, columns = each[0].any(axis=1), each[0].any(axis=0)
        assert np.array_equal(each[0], 255 * np.outer(rows, columns))
        assert rows.sum() >= 4 and columns.sum() >= 4
    assert (images == 255).all()


def test_an_epoch_has_each_image_once_and_the_next_another_order():
    shifted = batches(padded_digits(30))
    epochs = [
        np.concatenate([shifted.batch(step)[1] for step in range(first, first + 3)])
        for first in (0, 3)
    ]
    assert all(np.array_equal(np.sort(labels), np.arange(30)) for labels in epochs)
    assert not np.array_equal(*epochs) and not np.array_equal(epochs[0], np.arange(30))


def test_images_left_over_come_in_another_epoch():
    shifted = batches(padded_digits(19))
    assert shifted.per_epoch == 1
    assert set(np.concatenate([shifted.batch(step)[1] for step in range(20)])) == set(range(19))


def test_equal_seeds_give_equal_batches():
    one, same, other = (batches(padded_digits(50), seed=seed) for seed in (1, 1, 2))
    for step in range(6):
        for a, b in zip(one.batch(step), same.batch(step)):
            assert np.array_equal(a, b)
    assert not np.array_equal(one.batch(6)[1], other.batch(6)[1])


@pytest.mark.parametrize(
    "images, labels, batch_size, words",
    [
        (np.zeros((5, 1, 9, 9)), np.arange(5), 2, "uint8 (N, C, H, W), got float64 (5, 1, 9, 9)"),
        (np.zeros((5, 81), np.uint8), np.arange(5), 2, "got uint8 (5, 81)"),
        (padded_digits(5), np.arange(4), 2, "an integer for each of 5 images, got int64 (4,)"),
        (padded_digits(5), np.zeros(5), 2, "got float64 (5,)"),
        (padded_digits(5), [1, 2, 3, 4, 5], 2, "got list"),
        (padded_digits(5), np.arange(5), 6, "1 to 5, the number of images, got 6"),
        (padded_digits(5), np.arange(5), 0, "got 0"),
    ],
)
def test_invalid_arguments_are_refused(images, labels, batch_size, words):
    with pytest.raises(RunError) as error:
        ShiftedBatches(images, labels, batch_size, np.random.default_rng(0))
    assert words in str(error.value)


def test_colours_are_shifted_together():
    grey = padded_digits(5)
    colour = np.concatenate([grey, 255 - grey, grey // 2], axis=1)
    batch, _ = batches(colour, batch_size=5, reach=1).batch(0)
    inside = batch[:, :, 1:-1, 1:-1]  # pixels that enter at an edge are 0 in every colour
    assert batch.shape == colour.shape and np.array_equal(inside[:, 1], 255 - inside[:, 0])
    assert np.array_equal(inside[:, 2], inside[:, 0] // 2)
