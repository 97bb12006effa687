"""The training images nearest to generated ones: is a generator copying them?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nn.underflow import quiet

AT_ONCE = 2048  # training images compared at once
MAX_PIXELS = 50_000_000  # of them: 200 MB as float32


class Nearest(NamedTuple):
    """The nearest training images of N images, nearest first.

    Parameters
    ----------
    rows
        Which training images: int64 (N, k).
    distances
        How far they are: float64 (N, k), the root mean square difference of pixels in 0..255.
    """

    rows: np.ndarray
    distances: np.ndarray


@quiet
def nearest_images(
    images: np.ndarray,
    training: np.ndarray,
    rows: np.ndarray,
    k: int,
    progress: Callable[[int], object] | None = None,
) -> Nearest:
    """Find the k nearest training images of each image, pixel by pixel.

    Candidates are found by |x - t|^2 = |x|^2 + |t|^2 - 2 x.t in float32, and their distances
    computed again from the differences, which is exact for copies.

    Parameters
    ----------
    images
        uint8 (N, C, H, W).
    training
        uint8 (M, C, H, W).
    rows
        Integers, the rows of `training` to compare with; at least k.
    k
        How many to find.
    progress
        Called as progress(n) when n more training images are compared.
    """
    x = images.reshape(len(images), -1).astype(np.float32)
    best = np.full((len(x), k), np.inf, np.float32)
    found = np.zeros((len(x), k), np.int64)
    at_once = max(1, min(AT_ONCE, MAX_PIXELS // x.shape[1]))
    for i in range(0, len(rows), at_once):
        part = rows[i : i + at_once]
        t = training[part].reshape(len(part), -1).astype(np.float32)
        d = (t * t).sum(axis=1) - 2 * x @ t.T  # |x|^2, equal in a row, is left out
        both = np.concatenate([best, d], axis=1)
        candidates = np.concatenate([found, np.broadcast_to(part, d.shape)], axis=1)
        keep = np.argpartition(both, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(both, keep, axis=1)
        found = np.take_along_axis(candidates, keep, axis=1)
        if progress:
            progress(len(part))
    distances = np.stack([_distances(images, training[each]) for each in found.T], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")
    return Nearest(
        np.take_along_axis(found, order, axis=1), np.take_along_axis(distances, order, axis=1)
    )


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The root mean square difference of each pair of images: float64 (N,)."""
    differences = a.reshape(len(a), -1).astype(np.float64) - b.reshape(len(b), -1)
    return np.sqrt((differences**2).mean(axis=1))
