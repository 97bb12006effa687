"""Kinds of image that nobody named: k-means.

A generator of digits is bad where it must tear: between a 3 and a 7, one continuous function of the noise can only draw what is
neither. Where each training image comes with the kind it is of, G draws within a kind and never across, and D compares what is
alike. Labels give ten kinds; without labels, clusters give as many as one likes. Source: Lloyd 1982; for GANs, Sage et al.
2018 and Liu et al. 2020, whose clusters are of learnt features instead of pixels.
"""

from numbers import Integral

import numpy as np

from gan.data.batches import check_images
from nn import RunError
from nn.underflow import quiet

COMPONENTS = 50  # principal ones, which distances are taken in
ROUNDS = 30  # of Lloyd's algorithm
AT_ONCE = 4096  # images in float at a time


@quiet  # of what hardly varies, next to nothing is left
def clusters(images, k, seed):
    """Give each image its cluster: uint8 (N, ...) -> integers (N,) in 0..k-1.

    In each round every image goes to the nearest centre, argmin_j |x_n - c_j|^2, and every centre to the mean of its images;
    the first centres are random images. The centre of an empty cluster moves to a random image, and a cluster may end up
    empty. seed: equal seeds give equal clusters. Errors: `RunError` for images that are not uint8, and for k below 1.
    """
    check_images(images)
    if not isinstance(k, Integral) or k < 1:
        raise RunError(f"clusters: expected a whole number of at least 1, got {k!r}")
    rng = np.random.default_rng(seed)
    # In float64: `nearest` compares differences of squares that may be millions of times larger.
    x = principal_components(images.reshape(len(images), -1)).astype(np.float64)
    centres = x[rng.choice(len(x), k, replace=len(x) < k)]
    for _ in range(ROUNDS):
        labels = nearest(x, centres)
        members = np.bincount(labels, minlength=k)[:, None]
        sums = np.stack([np.bincount(labels, column, k) for column in x.T], axis=1)
        centres = np.where(members > 0, sums / np.maximum(members, 1), x[rng.integers(len(x), size=k)])
    return nearest(x, centres)


def nearest(x, centres):
    """Each row's nearest centre: |x - c|^2 = |x|^2 - 2 x.c + |c|^2, of which the first is the same for all."""
    lengths = (centres**2).sum(axis=1)
    return np.concatenate([(lengths - 2 * part @ centres.T).argmin(axis=1) for part in parts(x)])


def principal_components(rows):
    """The rows along the directions in which they vary most: uint8 (N, D) -> float32 (N, at most COMPONENTS)."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = sum(part.T @ part for part in centred_parts(rows, mean))
    directions = np.linalg.eigh(covariance)[1][:, -COMPONENTS:]
    return np.concatenate([part @ directions for part in centred_parts(rows, mean)])


def centred_parts(rows, mean):
    return (part - mean for part in parts(rows))


def parts(rows):
    return (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE))
