"""Parzen log-likelihood: test images under a Gaussian window on each image made.

A weak measure (Theis et al. 2015): copies of the training images beat any model, and so does k-means. It is here because
the first GANs were reported in it: never tune on it.
"""

import numpy as np

from gan.evaluation.rows import check_rows, distance_blocks
from gan.errors import DataError

SIGMAS = np.logspace(-1, 0, 10)


def parzen(images, validation, test, progress=None):
    """Images, (N, D) each, in [0, 1] -> the mean log-likelihood of `test` in nats, its standard error, and the sigma used.

    sigma is that of SIGMAS under which `validation`, no part of `images`, is the most likely. progress(n): called as n more
    rows of `validation` and `test` are done. Errors: as `parzen_log_likelihoods`, and `DataError` for values outside [0, 1],
    which SIGMAS are made for. Source: Goodfellow et al. 2014, section 5.
    """
    for name, rows in (("images", images), ("validation", validation), ("test", test)):
        low, high = (np.min(rows), np.max(rows)) if np.size(rows) else (0, 0)
        if low < 0 or high > 1:
            raise DataError(f"{name}: expected values in [0, 1], got {low:g} to {high:g}; scale them first")
    sigma = SIGMAS[parzen_log_likelihoods(images, validation, SIGMAS, progress).mean(axis=1).argmax()]
    (values,) = parzen_log_likelihoods(images, test, [sigma], progress)
    return float(values.mean()), float(values.std() / np.sqrt(len(values))), float(sigma)


def parzen_log_likelihoods(images, points, sigmas, progress=None):
    """log p(x) = log(1/N sum_i exp(-|x - s_i|^2 / (2 sigma^2))) - D/2 log(2 pi sigma^2), for each sigma and point.

    images (N, D), points (M, D) -> float64 (len(sigmas), M). The largest term of the sum is taken out of it, so that none
    overflows and one is left. Errors: `DataError` for different widths, no rows, and what is not finite.
    """
    images = check_rows("images", images, at_least=1)
    points = check_rows("points", points, at_least=1, width=images.shape[1])
    values = np.empty((len(sigmas), len(points)))
    for rows, d in distance_blocks(points, images, progress):
        nearest = d.min(axis=1)
        d -= nearest[:, None]
        for value, sigma in zip(values, sigmas):
            sums = np.exp(d / (-2 * sigma**2)).mean(axis=1)
            value[rows] = np.log(sums) - nearest / (2 * sigma**2) - images.shape[1] / 2 * np.log(2 * np.pi * sigma**2)
    return values
