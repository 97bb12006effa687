"""The latent noise."""

import numpy as np
import pytest

from gan.latent import Latent
from nn import ShapeError, get_ops

OPS = get_ops("cpu")


def drawn(distribution, n=4000, size=25, seed=1, dtype="float32"):
    stream = OPS.stream(np.random.SeedSequence(seed))
    return Latent(size, distribution).draw_(OPS.empty((n, size), dtype), stream)


def test_uniform_noise_fills_minus_one_to_one():
    z = drawn("uniform")
    assert z.dtype == np.float32 and -1 <= z.min() < -0.999 and 0.999 < z.max() <= 1


@pytest.mark.parametrize(
    "distribution, variance, fourth", [("uniform", 1 / 3, 1 / 5), ("normal", 1, 3)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_moments_are_the_distributions(distribution, variance, fourth, dtype):
    z = drawn(distribution, dtype=dtype).astype(np.float64)
    assert z.size == 100_000
    assert abs(z.mean()) < 5 * (variance / z.size) ** 0.5
    assert abs((z**2).mean() - variance) < 0.02 * variance
    assert abs((z**4).mean() - fourth) < 0.05 * fourth
    assert abs(np.corrcoef(z[:, 0], z[:, 1])[0, 1]) < 0.08


def test_two_draws_of_a_stream_differ_and_equal_seeds_agree():
    stream, latent = OPS.stream(np.random.SeedSequence(5)), Latent(3)
    first = latent.draw_(OPS.empty((2, 3), "float32"), stream).copy()
    second = latent.draw_(OPS.empty((2, 3), "float32"), stream)
    assert not np.intersect1d(first, second).size
    again = latent.draw_(OPS.empty((2, 3), "float32"), OPS.stream(np.random.SeedSequence(5)))
    assert np.array_equal(first, again)


def test_a_walk_between_normal_points_stays_on_the_great_circle():
    start, end = np.random.default_rng(0).standard_normal((2, 50))
    start, end = 7 * start / np.linalg.norm(start), 7 * end / np.linalg.norm(end)
    points = Latent(50).walk(start, end, 9)
    assert points.shape == (9, 50)
    assert np.allclose(np.linalg.norm(points, axis=1), 7, rtol=1e-12)
    cosines = np.sum(points[:-1] * points[1:], axis=1) / 49  # from each point to the next
    assert np.allclose(cosines, cosines[0], rtol=1e-12) and cosines[0] < 1
    assert np.linalg.matrix_rank(points, tol=1e-9) == 2


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_a_walk_begins_and_ends_at_its_points_in_their_dtype(distribution):
    start, end = drawn(distribution, n=2)
    points = Latent(25, distribution).walk(start, end, 6)
    assert points.dtype == np.float32
    assert np.allclose(points[0], start, atol=1e-6) and np.allclose(points[-1], end, atol=1e-6)


def test_a_walk_between_uniform_points_is_straight():
    start, end = drawn("uniform", n=2, dtype="float64")
    points = Latent(25, "uniform").walk(start, end, 5)
    assert np.allclose(points[1], 0.75 * start + 0.25 * end, rtol=1e-14)
    assert np.abs(points).max() <= 1


def test_a_walk_between_equal_points_stays_there():
    start = drawn("normal", n=1)[0]
    points = Latent(25).walk(start, start.copy(), 4)
    assert np.isfinite(points).all() and np.allclose(points, start, atol=1e-6)


def test_a_walk_between_opposite_points_is_finite():
    start = drawn("normal", n=1)[0]
    assert np.isfinite(Latent(25).walk(start, -start, 5)).all()


@pytest.mark.parametrize(
    "size, distribution",
    [(0, "normal"), (-1, "normal"), (2.5, "normal"), ("9", "normal"), (9, "cauchy")],
)
def test_invalid_latent_is_refused(size, distribution):
    with pytest.raises(ShapeError) as error:
        Latent(size, distribution)
    bad = distribution if size == 9 else size
    assert "latent" in str(error.value) and repr(bad) in str(error.value)
