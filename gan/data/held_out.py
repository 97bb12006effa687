"""A validation split: some of the training images, held out of training."""

from __future__ import annotations

from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.images.image_set import ImageSet
from gan.errors import RunError

MOST = 10_000  # images of a split of default size, a tenth of all
LEAST = 2  # images: fewer have no covariance


def default_split(n_images: int) -> int:
    """How many of this many images to hold out: a tenth, at most MOST."""
    return min(max(n_images // 10, LEAST), MOST)


def check_split(n: Any, n_images: int) -> None:
    """Raise `RunError` unless n images can be held out of this many."""
    is_integer = isinstance(n, int | np.integer) and not isinstance(n, bool)
    if not is_integer or not LEAST <= n < n_images:
        raise RunError(
            f"validation: expected {LEAST} to {n_images - 1:,} images to hold out of "
            f"{n_images:,}, got {n!r}"
        )


def hold_out(
    images: np.ndarray | ImageSet, labels: Any, n: int, seed: Any = 0
) -> tuple[np.ndarray | ImageSet, Any, np.ndarray]:
    """Split n random images off a set.

    The split depends on the number of images and on nothing else, unless another seed is given, so
    that several runs can be compared on it.

    Parameters
    ----------
    images
        uint8 (N, ...), or an `ImageSet`.
    labels
        Integers (N,), or None.
    n
        The number of images to hold out, at least 2 and fewer than N.
    seed
        For `numpy.random.default_rng`.

    Returns
    -------
    images, labels
        The others, in their order.
    held_out : uint8 (n, ...)
        The images held out.

    Raises
    ------
    RunError
        If n is not such a number.
    """
    n_images = len(images)
    check_split(n, n_images)
    held = np.zeros(n_images, bool)
    held[np.random.default_rng(seed).choice(n_images, n, replace=False)] = True
    others = None if labels is None else np.asarray(labels)[~held]
    if isinstance(images, ImageSet):
        return images.subset(~held), others, images.images[held]
    return images[~held], others, images[held]
