"""What the classifier's names for images tell: how sure they are, and how evenly spread."""

import numpy as np

from gan.evaluation.rows import check_rows
from gan.errors import DataError

DRAWN = 0.01  # a digit counts as drawn above this share of the images
TINY = np.finfo(np.float64).tiny  # stands in for 0 in a logarithm whose factor is 0


def mnist_score(probabilities):
    """exp(mean_i KL(p_i || mean p)), of class probabilities (N, C): from 1, nothing told apart, to C, all sure and even.

    Errors: `DataError` for rows that are no probabilities. Source: Salimans et al. 2016, section 4, with MNIST's classes.
    """
    p = _probabilities("probabilities", probabilities)
    divergence = (p * (_log(p) - _log(p.mean(axis=0)))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def class_histogram(probabilities):
    """The share of images that each class is the most probable of: float64 (C,)."""
    p = _probabilities("probabilities", probabilities)
    return np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)


def digits_drawn(histogram):
    """How many classes have more than DRAWN of the images."""
    return int((np.asarray(histogram) > DRAWN).sum())


def kl_to_uniform(histogram):
    """KL(h || uniform) = sum_c h_c log(C h_c), in nats: 0 for all classes alike, log C for one class alone."""
    (h,) = _probabilities("histogram", np.asarray(histogram)[None])
    return float((h * (_log(h) + np.log(len(h)))).sum())


def _log(p):
    return np.log(np.maximum(p, TINY))


def _probabilities(name, p):
    p = check_rows(name, p, at_least=1)
    if (p < 0).any() or np.abs(p.sum(axis=1) - 1).max() > 1e-3:
        raise DataError(
            f"{name}: expected shares of at least 0 that sum to 1, got {p.min():.6g} and sums to {p.sum(axis=1).max():.6g}"
        )
    return p
