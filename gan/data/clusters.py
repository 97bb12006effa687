"""Classes without labels: k-means clusters of the training images.

The generator is a continuous function of the noise. Between a 3 and a 7 it can only produce images
that are neither. If it is conditional on the cluster of each image, it interpolates within clusters
only, and D compares images of one cluster. Labels give ten classes; k-means gives any number.

K-means is our own, 30 lines of NumPy, so that training needs no scikit-learn. It takes seconds; the
logger "gan.data.clusters" reports at level INFO when it starts.
Source: Lloyd 1982; for GANs, Sage et al. 2018 and Liu et al. 2020, who cluster learned features
instead of pixels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.data.batches import check_images, checked_labels
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.data.stacked import StackedDigits
from gan.errors import RunError
from nn.underflow import quiet

COMPONENTS = 50  # principal components in which distances are measured
MOST_EXACT = 1024  # pixels and colours up to which the components are exact
SPARE, POWERS = 10, 5  # extra directions, and products, of the approximation beyond that
ROUNDS = 30  # of Lloyd's algorithm
CHUNK = 4096  # images converted to float at a time,
CHUNK_PIXELS = 2**22  # and fewer large ones: 16 MB
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClusterIds:
    """Clusters that an earlier run found; `Trainer` takes them as `labels` and skips the search.

    Parameters
    ----------
    ids : integers (N,), the cluster of each training image
    """

    ids: Any


@quiet  # the components of images that hardly vary underflow
def cluster_ids(images: Any, labels: Any, k: int, seed: Any, classes: int = 0) -> np.ndarray:
    """A copy of the ids where `labels` is a `ClusterIds`, else `find_clusters`.

    Stacked digits are sorted digit by digit. With labelled classes, each class is sorted into k
    clusters of its own, and those of class c are numbered from c k on.
    """
    if isinstance(labels, ClusterIds):
        return np.array(labels.ids)
    rows = None
    if isinstance(images, StackedDigits):
        images = images.digits
    elif isinstance(images, Split):
        images, rows = images.whole.images, images.rows
    elif isinstance(images, ImageSet):
        images = images.images
    if not classes:
        return find_clusters(images, k, seed, rows)
    check_images(images)
    rows = np.arange(len(images)) if rows is None else rows
    labels = checked_labels(labels, len(rows), classes).astype(np.int64)  # uint8 would overflow
    n = f"{len(rows):,}"
    LOGGER.info("k-means: sorting %s images of %s classes into %s clusters each", n, classes, k)
    ids = labels * k
    for c in np.unique(labels) if k > 1 else ():
        ids[labels == c] += k_means(images, k, seed, rows[labels == c])
    return ids


def find_clusters(
    images: np.ndarray, k: int, seed: Any, rows: np.ndarray | None = None
) -> np.ndarray:
    """Cluster images by k-means on their principal components.

    In each round every image joins the nearest centre, argmin_j |x_n - c_j|^2, and every centre
    moves to the mean of its images. The first centres are random images. The centre of an empty
    cluster moves to a random image, and a cluster may end up empty.

    Parameters
    ----------
    images : uint8 (N, ...)
    k : number of clusters
    seed : for `numpy.random.default_rng`; equal seeds give equal clusters
    rows : integers (n,), the only images to take, in ascending order; None for all

    Returns
    -------
    integers (n,) in 0..k-1, of the images taken

    Raises
    ------
    RunError : the images are not uint8, or k is below 1
    """
    check_images(images)
    if not isinstance(k, int | np.integer) or k < 1:
        raise RunError(f"clusters: expected a whole number of at least 1, got {k!r}")
    rows = np.arange(len(images)) if rows is None else rows
    LOGGER.info("k-means: sorting %s images into %s clusters", f"{len(rows):,}", k)
    return k_means(images, k, seed, rows)


def k_means(images: np.ndarray, k: int, seed: Any, rows: np.ndarray) -> np.ndarray:
    """`find_clusters` of images that are checked."""
    rng = np.random.default_rng(seed)
    # float64: `nearest` compares differences between squares that may be millions of times larger
    x = principal_components(images.reshape(len(images), -1), rows).astype(np.float64)
    centres = x[rng.choice(len(x), k, replace=len(x) < k)]
    for _ in range(ROUNDS):
        labels = nearest(x, centres)
        members = np.bincount(labels, minlength=k)[:, None]
        sums = np.stack([np.bincount(labels, column, k) for column in x.T], axis=1)
        random_images = x[rng.integers(len(x), size=k)]
        centres = np.where(members > 0, sums / np.maximum(members, 1), random_images)
    return nearest(x, centres)


def class_prior(labels: np.ndarray, num_classes: int) -> tuple[float, ...]:
    """The fraction of the images in each class or cluster."""
    return tuple((np.bincount(labels, minlength=num_classes) / len(labels)).tolist())


def nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Each row's nearest centre, by |x - c|^2 - |x|^2 = |c|^2 - 2 x.c."""
    squares = (centres**2).sum(axis=1)
    return np.concatenate([(squares - 2 * part @ centres.T).argmin(axis=1) for part in chunks(x)])


def principal_components(pixels: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """uint8 (N, D) -> float32 (n, <= COMPONENTS), along the directions of largest variance.

    Only `rows` are taken, integers (n,); None takes all.
    """
    rows = np.arange(len(pixels)) if rows is None else rows
    sums = sum(
        pixels[part].sum(axis=0, dtype=np.float64) for part in chunks(rows, chunk_of(pixels))
    )
    mean = (sums / len(rows)).astype(np.float32)
    if pixels.shape[1] <= MOST_EXACT:
        covariance = sum(part.T @ part for part in centred_chunks(pixels, rows, mean))
        directions = np.linalg.eigh(covariance)[1][:, -COMPONENTS:]
    else:
        directions = subspace(pixels, rows, mean)
    return np.concatenate([part @ directions for part in centred_chunks(pixels, rows, mean)])


def subspace(pixels: np.ndarray, rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """About the COMPONENTS directions of largest variance: float32 (D, COMPONENTS).

    Repeated Q = orthonormalized X^T X Q, from a random Q. The covariance itself would have D^2
    elements and take D^3 operations, minutes for 64 x 64 in colour.
    Source: Halko, Martinsson & Tropp 2011, algorithm 4.4.
    """
    q = np.random.default_rng(0).standard_normal((pixels.shape[1], COMPONENTS + SPARE), np.float32)
    for _ in range(POWERS):
        product = sum(part.T @ (part @ q) for part in centred_chunks(pixels, rows, mean))
        q = np.linalg.svd(product, full_matrices=False)[0]  # in order of variance
    return q[:, :COMPONENTS]


def centred_chunks(pixels: np.ndarray, rows: np.ndarray, mean: np.ndarray) -> Iterator[np.ndarray]:
    """These rows minus their mean, some at a time."""
    return (pixels[part] - mean for part in chunks(rows, chunk_of(pixels)))


def chunk_of(pixels: np.ndarray) -> int:
    """How many of these images, flat, are converted at a time."""
    return max(1, min(CHUNK, CHUNK_PIXELS // pixels.shape[1]))


def chunks(rows: np.ndarray, size: int = CHUNK) -> Iterator[np.ndarray]:
    """The rows, `size` at a time."""
    return (rows[i : i + size] for i in range(0, len(rows), size))
