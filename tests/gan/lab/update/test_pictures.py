"""Each pixel of a picture is an entry of its array."""

import numpy as np
import pytest

from gan.lab.update.pictures import GAP, MOST_SIDE, figures, histogram, picture

IMAGE = (1, 4, 6)
CASES = {  # shape, whether it is a weight: kind
    ((5, 1, 4, 6), False): "images",
    ((5, 24), False): "images",
    ((24, 7), True): "images",
    ((7, 24), True): "images",
    ((24,), True): "images",
    ((5, 9, 3, 3), False): "channels",
    ((5, 3, 3, 40), True): "filters",
    ((40, 4, 4, 1), True): "filters",
    ((24, 7), False): "matrix",
    ((16, 30), False): "matrix",
    ((16, 1), False): "matrix",
    ((700, 300), True): "matrix",
    ((1000,), True): "matrix",
    ((3, 2, 5), False): "matrix",
}


@pytest.mark.parametrize("shape, is_weight", CASES)
def test_a_picture_shows_entries_of_its_array(shape, is_weight):
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    made = picture(array, IMAGE, 2, is_weight)
    assert made.kind == CASES[shape, is_weight] and max(made.places.shape) <= MOST_SIDE
    values = made.values(array)
    inside = made.places != GAP
    assert np.array_equal(values[inside], array.ravel()[made.places[inside]])
    assert np.isnan(values[~inside]).all() and values.dtype == np.float32
    shown = np.unique(made.places[inside])
    assert len(shown) == inside.sum()  # no entry twice
    if array.size <= 1000 and made.kind in ("matrix", "images"):
        assert len(shown) == array.size or shape == (1000,)


def test_points_are_no_images():
    points = np.ones((5, 2), np.float32)
    for shape in ((2,), (1, 1, 2)):
        made = picture(points, shape, 0, False)
        assert made.kind == "matrix" and made.places.shape == (5, 2)


def test_images_and_channels_lie_in_tiles():
    x = np.arange(3 * 2 * 4 * 6, dtype=np.float32).reshape(3, 2, 4, 6)
    tiles = picture(x, IMAGE, 1, False).values(x)
    assert np.array_equal(tiles[:4, :6], x[1, 0]) and np.array_equal(tiles[:4, 7:], x[1, 1])
    flat = np.arange(4 * 24, dtype=np.float32).reshape(4, 24)
    tiles = picture(flat, IMAGE, 0, False).values(flat)
    assert np.array_equal(tiles[5:, 7:], flat[3].reshape(4, 6))
    columns = picture(flat.T.copy(), IMAGE, 0, True).values(flat.T.copy())
    assert np.array_equal(columns, tiles, equal_nan=True)
    kernels = np.arange(2 * 9 * 3, dtype=np.float32).reshape(2, 3, 3, 3)
    tiles = picture(kernels, IMAGE, 0, True).values(kernels)
    assert tiles.shape == (7, 11) and np.array_equal(tiles[4:, 8:], kernels[1, :, :, 2])
    colours = np.zeros((5, 3, 4, 6), np.float32)
    assert picture(colours, (3, 4, 6), 0, False).values(colours).shape == (14, 41)


def test_of_a_large_matrix_the_largest_entries_are_shown():
    array = np.zeros((1000, 600), np.float32)
    array[777, 555], array[3, 4] = -9, np.nan
    values = picture(array, IMAGE, 0, True).values(array)
    assert values.shape == (MOST_SIDE, MOST_SIDE)
    assert np.nanmin(values) == -9 and np.isnan(values).sum() == 1


def test_histograms_and_figures_are_of_the_finite_entries():
    array = np.array([0, 0, 1, 3, np.nan, np.inf], np.float32)
    counts, low, high = histogram(array, 3)
    assert counts.tolist() == [2, 1, 1] and (low, high) == (0, 3)
    found = figures(array)
    assert found["mean"] == 1 and found["max"] == 3 and found["zeros"] == 0.5
    assert (found["size"], found["not_finite"]) == (6, 2)
    assert histogram(np.full(4, np.nan), 3)[0].tolist() == [0, 0, 0]
    counts, low, high = histogram(np.full(5, 2.0), 4)
    assert counts.sum() == 5 and low < 2 < high
