"""Parzen log-likelihood: test images under a Gaussian window on each generated image.

A weak metric (Theis et al. 2015): copies of the training images beat any model, and so does
k-means. It is here because the first GANs were reported with it; never tune on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from gan.errors import DataError
from gan.evaluation.rows import check_rows, distance_blocks
from nn.underflow import quiet

SIGMAS = np.logspace(-1, 0, 10)


def parzen(
    images: ArrayLike,
    validation: ArrayLike,
    test: ArrayLike,
    progress: Callable[[int], object] | None = None,
) -> tuple[float, float, float]:
    """The mean log-likelihood of test images, with the best sigma for the validation images.

    Parameters
    ----------
    images
        The centres of the windows, (N, D) in [0, 1].
    validation
        Images that choose sigma, (M, D) in [0, 1], none of them among `images`.
    test
        Images that are measured, (K, D) in [0, 1].
    progress
        Called as progress(n) when n more rows of `validation` and `test` are done.

    Returns
    -------
    mean : float
        Of the log-likelihoods, in nats.
    standard_error : float
        Of that mean.
    sigma : float
        The width of the windows.

    Raises
    ------
    DataError
        As `parzen_log_likelihoods`, and for values outside [0, 1], the range that SIGMAS is for.

    References
    ----------
    Goodfellow et al. 2014, section 5.
    """
    for name, rows in (("images", images), ("validation", validation), ("test", test)):
        low, high = (np.min(rows), np.max(rows)) if np.size(rows) else (0, 0)
        if low < 0 or high > 1:
            raise DataError(
                f"{name}: expected values in [0, 1], got {low:g} to {high:g}; scale them first"
            )
    sigma = SIGMAS[
        parzen_log_likelihoods(images, validation, SIGMAS, progress).mean(axis=1).argmax()
    ]
    (values,) = parzen_log_likelihoods(images, test, [sigma], progress)
    return float(values.mean()), float(values.std() / np.sqrt(len(values))), float(sigma)


@quiet  # far windows weigh nothing
def parzen_log_likelihoods(
    images: ArrayLike,
    points: ArrayLike,
    sigmas: Sequence[float] | np.ndarray,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """log p(x) = log(1/N sum_i exp(-|x - s_i|^2 / (2 sigma^2))) - D/2 log(2 pi sigma^2).

    The largest term is factored out of the sum, so that nothing overflows and not all terms vanish.

    Parameters
    ----------
    images
        The centres s_i of the windows, (N, D).
    points
        Where to evaluate the density, (M, D).
    sigmas
        The widths to try.
    progress
        Called as progress(n) when n more points are done.

    Returns
    -------
    ndarray
        float64 (len(sigmas), M), in nats.

    Raises
    ------
    DataError
        For no rows, different widths, or numbers that are not finite.
    """
    images = check_rows("images", images, at_least=1)
    points = check_rows("points", points, at_least=1, width=images.shape[1])
    values = np.empty((len(sigmas), len(points)))
    for rows, d in distance_blocks(points, images, progress):
        nearest = d.min(axis=1)
        d -= nearest[:, None]
        for value, sigma in zip(values, sigmas):
            sums = np.exp(d / (-2 * sigma**2)).mean(axis=1)
            value[rows] = (
                np.log(sums)
                - nearest / (2 * sigma**2)
                - images.shape[1] / 2 * np.log(2 * np.pi * sigma**2)
            )
    return values
