"""Metrics of classes, against hand-computed values."""

import math

import numpy as np
import pytest

from gan.errors import DataError
from gan.evaluation import class_histogram, digits_drawn, kl_to_uniform, mnist_score, unsure


def some_probabilities(n=50, sharpness=2.0):
    p = np.exp(sharpness * np.random.default_rng(0).standard_normal((n, 10)))
    return p / p.sum(axis=1, keepdims=True)


def entropy(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def test_the_score_ranges_from_1_to_the_number_of_classes():
    assert mnist_score(np.full((20, 10), 0.1)) == pytest.approx(1, rel=1e-12)
    # Certain, but always the same
    assert mnist_score(np.eye(10)[[3] * 20]) == pytest.approx(1, rel=1e-12)
    assert mnist_score(np.eye(10)) == pytest.approx(10, rel=1e-12)
    assert mnist_score(np.eye(10)[[0, 1] * 10]) == pytest.approx(2, rel=1e-12)


def test_the_score_is_the_entropy_of_the_mean_minus_the_mean_entropy():
    p = some_probabilities()
    expected = math.exp(entropy(p.mean(axis=0)) - np.mean([entropy(row) for row in p]))
    assert 1.5 < expected < 9 and mnist_score(p) == pytest.approx(expected, rel=1e-10)
    assert mnist_score(some_probabilities(sharpness=4)) > mnist_score(p)  # more certain


def test_the_histogram_counts_the_most_probable_class():
    p = np.eye(10)[[0, 0, 0, 4, 8]] * 0.5 + 0.05
    assert class_histogram(p).tolist() == [0.6, 0, 0, 0, 0.2, 0, 0, 0, 0.2, 0]
    p = some_probabilities(200)
    assert (class_histogram(p) * 200).tolist() == pytest.approx(
        [sum(row.argmax() == c for row in p) for c in range(10)]
    )


def test_a_digit_counts_as_drawn_above_one_percent():
    assert digits_drawn([0.1] * 10) == 10
    assert digits_drawn([0.0101, 0.01, 0.0099, 0.97, 0, 0, 0, 0, 0, 0]) == 2
    assert digits_drawn(np.eye(10)[0]) == 1


def test_kl_to_uniform():
    assert kl_to_uniform([0.1] * 10) == pytest.approx(0, abs=1e-12)
    assert kl_to_uniform(np.eye(10)[2]) == pytest.approx(math.log(10), rel=1e-12)
    nine = np.array([0] + [1 / 9] * 9)
    assert kl_to_uniform(nine) == pytest.approx(math.log(10 / 9), rel=1e-12)
    h = some_probabilities(1)[0]
    assert kl_to_uniform(h) == pytest.approx(math.log(10) - entropy(h), rel=1e-10)


def test_an_image_that_looks_like_several_digits_is_unsure():
    p = np.array([[0.6, 0.4, 0, 0], [0.59, 0.41, 0, 0], [0.25] * 4, [0, 0, 1, 0], [0, 0.1, 0.9, 0]])
    assert unsure(p) == 0.4 and unsure(p[3:]) == 0


@pytest.mark.parametrize("measure", [mnist_score, class_histogram, unsure])
@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((0, 10)),
        np.zeros(10),
        np.zeros((3, 10)),
        np.full((3, 10), np.nan),
        np.array([[-0.5, 1.5]]),
        np.ones((3, 10)),
    ],
)
def test_rows_that_are_not_probabilities_are_refused(measure, bad):
    with pytest.raises(DataError, match="probabilities: expected"):
        measure(bad)


def test_a_histogram_that_does_not_sum_to_1_is_refused():
    with pytest.raises(DataError, match="histogram: expected values of at least 0 that sum to 1"):
        kl_to_uniform([0.5, 0.6])
