"""FID, against closed forms."""

import numpy as np
import pytest

from gan.errors import DataError
from gan.evaluation import fid, frechet_distance, moments


def some_covariance(rng, n):
    return np.cov(rng.standard_normal((3 * n, n)) * rng.uniform(0.2, 3, n), rowvar=False)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_for_uncorrelated_gaussians_each_direction_adds_its_own_term():
    a = np.array([1.0, -2.0, 0.0]), np.diag([1.0, 4.0, 0.0])
    b = np.array([3.0, -2.0, 0.5]), np.diag([9.0, 4.0, 0.25])
    # (m - m')^2 + (s - s')^2
    assert frechet_distance(a, b) == pytest.approx(4 + 4 + 0.25 + 0.25, rel=1e-12)


def test_it_equals_the_formula_with_the_eigenvalues_of_the_product(rng):
    for n in (1, 2, 7, 30):
        (mean_a, a), (mean_b, b) = (
            (rng.standard_normal(n), np.atleast_2d(some_covariance(rng, n))) for _ in range(2)
        )
        roots = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real
        expected = np.sum((mean_a - mean_b) ** 2) + np.trace(a + b) - 2 * roots.sum()
        assert frechet_distance((mean_a, a), (mean_b, b)) == pytest.approx(expected, rel=1e-9)
        assert frechet_distance((mean_b, b), (mean_a, a)) == pytest.approx(expected, rel=1e-9)


def test_samples_of_gaussians_come_near_the_exact_distance(rng):
    root_a, root_b = np.tril(rng.standard_normal((2, 5, 5)))
    mean = np.array([1.0, 0, -2, 0, 0.5])
    exact = frechet_distance((0 * mean, root_a @ root_a.T), (mean, root_b @ root_b.T))
    x, y = rng.standard_normal((2, 100_000, 5))
    assert fid(x @ root_a.T, y @ root_b.T + mean) == pytest.approx(exact, rel=0.01)


def test_a_shift_a_scale_and_a_rotation_of_features(rng):
    x = (rng.standard_normal((300, 12)) @ rng.standard_normal((12, 12))).astype(np.float32)
    mean, cov = moments(x)
    assert fid(x, x.astype(np.float64) + 3) == pytest.approx(9 * 12, rel=1e-6)
    assert fid(x, 2 * x) == pytest.approx(mean @ mean + np.trace(cov), rel=1e-6)
    y, (q, _) = rng.standard_normal((200, 12)), np.linalg.qr(rng.standard_normal((12, 12)))
    assert fid(x @ q, y @ q) == pytest.approx(fid(x, y), rel=1e-6)


@pytest.mark.parametrize("n", [2, 40, 500])
def test_the_distance_to_itself_is_0_even_with_more_features_than_rows(rng, n):
    x = rng.exponential(5, (n, 128)).astype(np.float32)
    x[:, :9] = 0  # features that never fire
    assert 0 <= fid(x, x) < 1e-9 * x.var(axis=0).sum()
    assert 0 <= fid(x, rng.permutation(x)) < 1e-9 * x.var(axis=0).sum()


def test_far_features_and_constant_ones_are_as_near_as_their_shift(rng):
    """What all rows share, however large it is, is in the means alone."""
    x, y = rng.standard_normal((2, 300, 6)) * [1, 2, 3, 0, 0, 5]
    plain = fid(x, y)
    far = np.array([1e7, -1e7, 0, 1e9, 0, 1e5])
    assert fid(x + far, y + far) == pytest.approx(plain, rel=1e-6)
    assert fid(x + far, y + far + 3 * (far == 0)) == pytest.approx(
        fid(x, y + 3 * (far == 0)), rel=1e-6
    )
    assert fid(0 * x, 0 * y + 2) == 4 * 6 and fid(0 * x + 1e8, 0 * y + 1e8) == 0


def test_moments_are_unbiased_and_float64(rng):
    x = (rng.standard_normal((50, 3)) + 1000).astype(np.float32)
    mean, cov = moments(x)
    centred = x.astype(np.float64) - x.astype(np.float64).mean(axis=0)
    assert mean.dtype == cov.dtype == np.float64
    assert np.allclose(mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert np.allclose(cov, sum(np.outer(row, row) for row in centred) / 49, rtol=1e-9)


@pytest.mark.parametrize(
    "bad, words",
    [
        (np.zeros((1, 4)), "at least 2 rows, got 1"),
        (np.zeros(4), "(N, F)"),
        (np.array([["a", "b"]] * 3), "numbers"),
        (np.array([[0.0, np.nan]] * 3), "NaN"),
    ],
)
def test_invalid_features_are_refused(bad, words):
    with pytest.raises(DataError, match="features: expected") as error:
        moments(bad)
    assert words in str(error.value)


def test_features_of_different_widths_are_refused():
    with pytest.raises(DataError, match="the same number in both sets, got 3 and 4"):
        fid(np.eye(3), np.eye(4))
