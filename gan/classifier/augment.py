"""Labelled training images in batches, each image moved a little."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gan.errors import RunError


class ShiftedBatches:
    """Whole batches in a new random order each epoch; each image is moved by up to `reach` pixels, down or up, right or left.

    A digit that is moved is the same digit: a network that has seen each in (2 reach + 1)^2 places has a larger training
    set. All places are equally likely; what enters at an edge is 0, the background. To move an image is to look through
    another window at it: each is framed by `reach` zeros once, and a batch is one fancy index into a view of all windows.
    images: uint8 (N, 1, H, W); labels: integers (N,); rng: a `numpy.random.Generator`. What is left over at the end of an
    epoch, less than a batch, has its turn in another order. Errors: `RunError` for other arrays, or fewer than a batch.
    """

    def __init__(self, images, labels, batch_size, rng, reach=2):
        if getattr(images, "dtype", None) != np.uint8 or images.ndim != 4 or images.shape[1] != 1:
            raise RunError(f"images: expected uint8 (N, 1, H, W), got {_kind(images)}")
        if np.shape(labels) != (len(images),) or not np.issubdtype(getattr(labels, "dtype", None), np.integer):
            raise RunError(f"labels: expected an integer for each of {len(images):,} images, got {_kind(labels)}")
        if not 1 <= batch_size <= len(images):
            raise RunError(f"batch size: expected 1 to {len(images):,}, the number of images, got {batch_size}")
        self.batch_size, self.per_epoch, self.reach = batch_size, len(images) // batch_size, reach
        framed = np.pad(images[:, 0], ((0, 0), (reach, reach), (reach, reach)))
        self._windows = sliding_window_view(framed, images.shape[2:], axis=(1, 2))  # (N, 2 reach + 1, 2 reach + 1, H, W)
        self._labels, self._rng = labels.copy(), rng
        self._order = np.arange(len(images))

    def batch(self, step):
        """The batch of that step, counted from 0: images uint8 (batch_size, 1, H, W) and labels (batch_size,)."""
        place = step % self.per_epoch
        if place == 0:
            self._rng.shuffle(self._order)
        index = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        down, right = self._rng.integers(0, 2 * self.reach + 1, (2, self.batch_size))
        return self._windows[index, down, right][:, None], self._labels[index]


def _kind(array):
    return f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
