"""Training images, on the device, in batches."""

from numbers import Integral

import numpy as np

from gan.data.image_shapes import check_image_shape
from nn import RunError


class Batches:
    """A copy of the images as uint8 on the device, drawn in whole batches in a new random order each epoch.

    What is left over at the end of an epoch, less than one batch, has its turn in another order. image_range: what 0 and
    255 become. Errors: `RunError` for images that are not uint8, or fewer than a batch.
    """

    def __init__(self, images, batch_size, image_range, ops, stream):
        check_images(images)
        if not isinstance(batch_size, Integral) or not 1 <= batch_size <= len(images):
            raise RunError(f"batch size: expected 1 to {len(images):,}, the number of images, got {batch_size}")
        self.batch_size, self.per_epoch = batch_size, len(images) // batch_size
        self._ops, self._stream = ops, stream
        self._images = ops.asarray(images.reshape(len(images), -1))
        self.image_shape, self.n_pixels = images.shape[1:], self._images.shape[1]
        self._order = ops.asarray(np.arange(len(images)))
        low, high = image_range
        self._scale, self._shift = (high - low) / 255, low
        self._one_hot = None

    def check_shape(self, made):
        """Raise `RunError` unless the images fit a generator that makes images of the shape `made`."""
        check_image_shape(self.image_shape, made)

    def label(self, labels, classes):
        """Let `gather` give each image's class, too. labels: integers (N,) in 0..classes-1; `RunError` for others."""
        self._one_hot = self._ops.asarray(one_hot(labels, len(self._images), classes))

    def gather(self, step, *, out, one_hot=None):
        """Write the batch of that step, counted from 0, into out: (batch_size, pixels) of the network's dtype.

        one_hot: where its classes go, once `label` told them: (batch_size, classes), each row 1 at the image's class and 0
        elsewhere.
        """
        place = step % self.per_epoch
        if place == 0:
            self._stream.shuffle_(self._order)
        index = self._order[place * self.batch_size : (place + 1) * self.batch_size]
        self._ops.gather_rows(self._images, index, self._scale, self._shift, out=out)
        if one_hot is not None:
            self._ops.gather_rows(self._one_hot, index, 1.0, 0.0, out=one_hot)

    def orders(self):
        """The vectors that `gather` shuffles, on the device, and the streams that it shuffles them with: what a checkpoint holds."""
        return [self._order], [self._stream]


def check_images(images):
    """Raise `RunError` unless they are uint8 (N, ...) in 0..255."""
    is_array = isinstance(images, np.ndarray)
    if not is_array or images.dtype != np.uint8 or images.ndim < 2:
        got = f"{images.dtype} {images.shape}" if is_array else type(images).__name__
        raise RunError(f"images: expected a uint8 array of shape (N, ...), got {got}; {how_to_convert(images)}")
    if not images.size:
        raise RunError(f"images: expected at least one image of at least one pixel, got shape {images.shape}")
    if images.max() == 1:
        raise RunError("images: expected uint8 in 0..255, got none above 1; multiply them by 255")


def how_to_convert(images):
    """How such images become uint8 (N, ...)."""
    if not isinstance(images, np.ndarray) or images.dtype == object:
        return "make them one array: np.array(list_of_images, np.uint8)"
    if images.dtype.kind == "f":
        return "convert those in [0, 1] by np.rint(255 * images).astype(np.uint8)"
    if images.dtype == bool:
        return "convert them by 255 * images.astype(np.uint8)"
    if images.dtype != np.uint8:
        return "convert those in 0..255 by images.astype(np.uint8)"
    return "give each image a row of pixels at least"


def one_hot(labels, n, classes):
    """labels: n integers in 0..classes-1 -> uint8 (n, classes), each row 1 at its label and 0 elsewhere."""
    given, labels = labels, np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        got = "none" if given is None else type(given).__name__ if labels.dtype == object else f"{labels.dtype} {labels.shape}"
        raise RunError(f"labels: expected an integer for each of {n:,} images, which this recipe draws by their class, got {got}")
    if not 0 <= labels.min() <= labels.max() < classes:
        raise RunError(f"labels: expected classes in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
    return (labels[:, None] == np.arange(classes)).astype(np.uint8)
