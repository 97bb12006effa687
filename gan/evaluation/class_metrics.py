"""Metrics of the classes assigned to images: how certain they are, and how evenly spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan.errors import DataError
from gan.evaluation.rows import check_rows
from nn.underflow import quiet

SURE = 0.6  # probability of its most probable class from which on an image counts as sure
DRAWN = 0.01  # a digit counts as drawn above this share of the images
TINY = np.finfo(np.float64).tiny  # stands in for 0 in a logarithm whose factor is 0
TOLERANCE = 1e-3  # how far float32 probabilities may be from a sum of 1


@quiet
def mnist_score(probabilities: ArrayLike) -> float:
    """The inception score with MNIST's classes: exp(mean_i KL(p_i || mean p)).

    Parameters
    ----------
    probabilities
        The classifier's probability of each class, (N, C).

    Returns
    -------
    float
        From 1, all rows alike, to C, each row certain and all classes equally frequent.

    Raises
    ------
    DataError
        If the rows are not probabilities.

    References
    ----------
    Salimans et al. 2016, section 4.
    """
    p = _probabilities("probabilities", probabilities)
    divergence = (p * (_log(p) - _log(p.mean(axis=0)))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def class_histogram(probabilities: ArrayLike) -> np.ndarray:
    """The share of images for which each class is the most probable.

    Parameters
    ----------
    probabilities
        The classifier's probability of each class, (N, C).

    Returns
    -------
    ndarray
        float64 (C,), of sum 1.
    """
    p = _probabilities("probabilities", probabilities)
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


def unsure(probabilities: ArrayLike) -> float:
    """The share of images whose most probable class has a probability below SURE.

    Parameters
    ----------
    probabilities
        The classifier's probability of each class, (N, C).

    Returns
    -------
    float
        From 0 to 1; images that look like no class, or like several, are among them.

    Raises
    ------
    DataError
        If the rows are not probabilities.
    """
    p = _probabilities("probabilities", probabilities)
    return float((p.max(axis=1) < SURE).mean())


def digits_drawn(histogram: ArrayLike) -> int:
    """How many classes of a class histogram (C,) have more than DRAWN of the images."""
    return int((np.asarray(histogram) > DRAWN).sum())


def kl_to_uniform(histogram: ArrayLike) -> float:
    """KL(h || uniform) = sum_c h_c log(C h_c) of a class histogram (C,), in nats.

    It is 0 if all classes are equally frequent, log C if there is only one.
    """
    (h,) = _probabilities("histogram", np.asarray(histogram)[None])
    return float((h * (_log(h) + np.log(len(h)))).sum())


def _log(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(p, TINY))


def _probabilities(name: str, p: ArrayLike) -> np.ndarray:
    """`p` as float64 (N, C); `DataError` unless its rows are probabilities."""
    p = check_rows(name, p, at_least=1)
    if (p < 0).any() or np.abs(p.sum(axis=1) - 1).max() > TOLERANCE:
        raise DataError(
            f"{name}: expected values of at least 0 that sum to 1, got {p.min():.6g} and sums of "
            f"up to {p.sum(axis=1).max():.6g}; normalize them first"
        )
    return p
