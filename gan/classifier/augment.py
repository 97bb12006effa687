"""Labelled training images in batches, each image shifted a little."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gan.errors import RunError


class ShiftedBatches:
    """Complete batches in a new random order each epoch, with each image shifted at random.

    A shifted image shows the same, so a network that sees each one at (2 reach + 1)^2
    positions has a larger training set. All positions are equally likely; pixels that enter at an
    edge are 0, the background. An image is shifted by viewing it through another window: each is
    padded with `reach` zeros once, and a batch is one fancy index into a view of all windows.
    Images left over at the end of an epoch, fewer than a batch, are in other batches of later
    epochs.

    Parameters
    ----------
    images
        uint8 (N, C, H, W).
    labels
        Integers (N,).
    batch_size
        Images a batch.
    rng
        Source of order and shifts.
    reach
        The largest shift in each direction, in pixels.

    Attributes
    ----------
    order
        int64 (N,), the index of each image in the order of this epoch. With the state of `rng`, it
        decides all later batches.

    Raises
    ------
    RunError
        For other arrays, or fewer images than a batch.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        rng: np.random.Generator,
        reach: int = 2,
    ) -> None:
        if getattr(images, "dtype", None) != np.uint8 or images.ndim != 4:
            raise RunError(
                f"images: expected uint8 (N, C, H, W), got {_describe(images)}; convert them"
            )
        has_integers = np.issubdtype(getattr(labels, "dtype", object), np.integer)
        if np.shape(labels) != (len(images),) or not has_integers:
            raise RunError(
                f"labels: expected an integer for each of {len(images):,} images, got "
                f"{_describe(labels)}; convert them"
            )
        if not 1 <= batch_size <= len(images):
            raise RunError(
                f"batch size: expected 1 to {len(images):,}, the number of images, got {batch_size}"
            )
        self.batch_size, self.per_epoch, self.reach = batch_size, len(images) // batch_size, reach
        padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
        # (N, C, 2 reach + 1, 2 reach + 1, H, W)
        self._windows = sliding_window_view(padded, images.shape[2:], axis=(2, 3))
        self._labels, self.rng = labels.copy(), rng
        self.order = np.arange(len(images))

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step, counted from 0: uint8 images (batch_size, C, H, W), labels."""
        place = step % self.per_epoch
        if place == 0:
            self.rng.shuffle(self.order)
        index = self.order[place * self.batch_size : (place + 1) * self.batch_size]
        down, right = self.rng.integers(0, 2 * self.reach + 1, (2, self.batch_size))
        return self._windows[index, :, down, right], self._labels[index]


def _describe(array: object) -> str:
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
