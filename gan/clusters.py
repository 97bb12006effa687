"""Kinds of image that nobody named: k-means.

A generator of digits is bad where it must tear: between a 3 and a 7, one continuous function of the noise can only draw what is
neither. Where each training image comes with the kind it is of, G draws within a kind and never across, and D compares what is
alike. Labels give ten kinds; without labels, clusters give as many as one likes. Source: Lloyd 1982; for GANs, Sage et al.
2018 and Liu et al. 2020, whose clusters are of learnt features instead of pixels.
"""

import numpy as np

from gan.batches import check_images
from nn.underflow import quiet

COMPONENTS = 50  # principal ones, which distances are taken in
ROUNDS = 30  # of Lloyd's algorithm
AT_ONCE = 4096  # images in float at a time


@quiet  # of what hardly varies, next to nothing is left
def clusters(images, k, seed):
    """Give each image its cluster: uint8 (N, ...) -> integers (N,) in 0..k-1.

    In each round every image goes to the nearest centre, argmin_j |x_n - c_j|^2, and every centre to the mean of its images;
    the first centres are random images. A cluster may end up empty. seed: equal seeds give equal clusters. Errors: `RunError`
    for images that are not uint8.
    """
    check_images(images)
    rng = np.random.default_rng(seed)
    x = principal_components(images.reshape(len(images), -1))
    centres = x[rng.choice(len(x), k, replace=len(x) < k)]
    for _ in range(ROUNDS):
        labels = nearest(x, centres)
        members = np.bincount(labels, minlength=k)[:, None]
        by_cluster = x[np.argsort(labels, kind="stable")]
        sums = np.add.reduceat(np.concatenate([by_cluster, x[:1]]), np.cumsum(members) - members[:, 0])
        centres = np.where(members > 0, sums / np.maximum(members, 1), x[rng.integers(len(x), size=k)])
    return nearest(x, centres)


def nearest(x, centres):
    """Each row's nearest centre: |x - c|^2 = |x|^2 - 2 x.c + |c|^2, of which the first is the same for all."""
    lengths = (centres**2).sum(axis=1)
    return np.concatenate([(lengths - 2 * part @ centres.T).argmin(axis=1) for part in parts(x)])


def principal_components(rows):
    """The rows along the directions in which they vary most: uint8 (N, D) -> float32 (N, at most COMPONENTS)."""
    mean = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = sum((part - mean).T @ (part - mean) for part in parts(rows))
    directions = np.linalg.eigh(covariance)[1][:, -COMPONENTS:]
    return np.concatenate([(part - mean) @ directions for part in parts(rows)])


def parts(rows):
    return (rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE))
