"""The nearest training images."""

import numpy as np

from gan.evaluation import nearest
from gan.evaluation.nearest import nearest_images


def test_neighbours_are_those_of_a_plain_loop(monkeypatch):
    monkeypatch.setattr(nearest, "AT_ONCE", 7)
    rng = np.random.default_rng(0)
    training = rng.integers(0, 256, (40, 3, 5, 4), np.uint8)
    images = rng.integers(0, 256, (6, 3, 5, 4), np.uint8)
    images[2] = training[31]
    images[3] = training[8]  # which is not among the rows
    rows = np.arange(10, 40)
    counted = []
    found = nearest_images(images, training, rows, 3, counted.append)
    assert sum(counted) == 30 and found.distances[2, 0] == 0 and found.rows[2, 0] == 31
    for image, near, distances in zip(images, *found):
        d = np.sqrt(((training[rows] - image.astype(float)) ** 2).mean(axis=(1, 2, 3)))
        order = np.argsort(d)[:3]
        assert np.array_equal(near, rows[order])
        np.testing.assert_allclose(distances, d[order])
