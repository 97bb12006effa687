"""The Parzen log-likelihood, against loops and known densities."""

import math

import numpy as np
import pytest

from gan.errors import DataError
from gan.evaluation import parzen, parzen_log_likelihoods
from gan.evaluation import rows as rows_module
from gan.evaluation.parzen import SIGMAS


def by_loops(images, point, sigma):
    total = 0.0
    for image in images:
        exponent = -sum((a - b) ** 2 for a, b in zip(point, image)) / (2 * sigma**2)
        total += math.exp(exponent) / math.sqrt(2 * math.pi * sigma**2) ** len(point)
    return math.log(total / len(images))


def test_against_loops(monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", 4)
    rng = np.random.default_rng(0)
    images, points = rng.random((12, 6)), rng.random((9, 6))
    values = parzen_log_likelihoods(images, points, [0.3, 1.0])
    expected = [[by_loops(images, point, sigma) for point in points] for sigma in (0.3, 1.0)]
    assert values.shape == (2, 9) and np.allclose(values, expected, rtol=1e-12)


def test_a_single_window_is_a_gaussian_however_far_and_narrow():
    value = parzen_log_likelihoods(np.zeros((1, 784)), np.ones((1, 784)), [0.01]).item()
    assert value == pytest.approx(
        -784 / (2 * 0.01**2) - 392 * math.log(2 * math.pi * 0.01**2), rel=1e-12
    )


def test_a_far_image_leaves_the_windows_of_the_others():
    images, points = np.random.default_rng(0).random((2, 20, 6))
    images[0] = 1e8
    values = parzen_log_likelihoods(images, points, [0.3])[0]
    assert np.allclose(values, [by_loops(images, point, 0.3) for point in points], rtol=1e-10)


def test_windows_on_gaussian_data_have_the_exact_likelihood():
    x, y = np.random.default_rng(0).standard_normal((2, 20_000, 1))
    variance = 1 + 0.2**2  # of the data plus that of the window
    exact = -math.log(2 * math.pi * variance) / 2 - 1 / (2 * variance)
    assert parzen_log_likelihoods(x, y[:2_000], [0.2]).mean() == pytest.approx(exact, abs=0.03)


def test_sigma_is_the_best_for_the_validation_images():
    rng = np.random.default_rng(0)
    images, validation, test = (rng.random((n, 20)).astype(np.float32) for n in (300, 40, 50))
    done = []
    mean, error, sigma = parzen(images, validation, test, done.append)
    tried = {
        s: np.mean(
            [by_loops(images.astype(float), point, s) for point in validation[:5].astype(float)]
        )
        for s in SIGMAS
    }
    assert SIGMAS[0] < sigma < SIGMAS[-1] and sum(done) == 90
    assert tried[sigma] > np.mean(list(tried.values()))
    each = parzen_log_likelihoods(images, validation, SIGMAS).mean(axis=1)
    assert sigma == SIGMAS[each.argmax()]
    values = parzen_log_likelihoods(images, test, [sigma])[0]
    assert mean == pytest.approx(values.mean()) and error == pytest.approx(
        values.std() / math.sqrt(50)
    )


def test_the_protocol_tries_ten_sigmas():
    assert np.allclose(SIGMAS, [0.1 * 10 ** (i / 9) for i in range(10)])


@pytest.mark.parametrize(
    "images, points, words",
    [
        (np.zeros((0, 4)), np.zeros((3, 4)), "images: expected at least 1 rows, got 0"),
        (np.zeros((3, 4)), np.zeros((0, 4)), "points: expected at least 1 rows, got 0"),
        (np.zeros((3, 4)), np.zeros((3, 5)), r"points: expected numbers of shape \(N, 4\)"),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), "images: expected finite"),
    ],
)
def test_invalid_rows_are_refused(images, points, words):
    with pytest.raises(DataError, match=words):
        parzen_log_likelihoods(images, points, [1.0])


@pytest.mark.parametrize("place, name", list(enumerate(("images", "validation", "test"))))
@pytest.mark.parametrize("value", [255, -0.5])
def test_values_outside_the_range_of_sigma_are_refused(place, name, value):
    sets = [np.full((4, 3), 0.5) for _ in range(3)]
    sets[place][1, 1] = value
    with pytest.raises(DataError, match=rf"{name}: expected values in \[0, 1\], got .*{value}"):
        parzen(*sets)
