"""Training images on the device, in batches."""

from __future__ import annotations

from mmap import mmap
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from gan.data.feeding import Feed, fit_on_device
from gan.data.image_shapes import check_image_shape
from gan.errors import RunError
from nn.ops.base import Array


@runtime_checkable
class BatchSource(Protocol):
    """Training images that make their own batches instead of being an array."""

    def batches(
        self, batch_size: int, image_range: tuple[float, float], ops: Any, stream: Any
    ) -> Batches:
        """The batches; the parameters are those of `Batches`."""


def make_batches(
    images: Any,
    batch_size: int,
    image_range: tuple[float, float],
    ops: Any,
    stream: Any,
) -> Batches:
    """The batches of a `BatchSource`, or of an array of images; see `Batches`."""
    if isinstance(images, BatchSource):
        return images.batches(batch_size, image_range, ops, stream)
    return Batches(images, batch_size, image_range, ops, stream)


class Batches:
    """Whole batches of images in a new random order each epoch, from a uint8 copy on the device.

    Images that do not fit on the device stay on the host, and batches are sent while training steps
    run. Images on the host that nobody can change, such as a read-only memory map, are not copied.
    The last images of an order, fewer than a batch, are left out in that epoch.

    Parameters
    ----------
    images : uint8 (N, ...) in 0..255, on the host
    batch_size : 1..N
    image_range : (low, high), to which 0 and 255 are mapped
    ops : the backend
    stream : random stream of that backend, for the order
    rows : integers (n,), the only images to take; None for all

    Raises
    ------
    RunError : the images are not uint8, or fewer than a batch
    """

    may_feed: ClassVar[bool] = True  # whether `gather` can do with images on the host
    share = slice(None)  # of each batch, that `gather` writes
    _feed: Feed | None = None

    def __init__(
        self,
        images: np.ndarray,
        batch_size: int,
        image_range: tuple[float, float],
        ops: Any,
        stream: Any,
        rows: np.ndarray | None = None,
    ) -> None:
        check_images(images)
        self._rows = np.arange(len(images)) if rows is None else rows.astype(np.int64)
        self.batch_size = check_batch_size(batch_size, len(self._rows), "images")
        self.per_epoch = len(self._rows) // self.batch_size
        self.ops, self.stream = ops, stream
        flat = images.reshape(len(images), -1)
        is_usable = flat.flags.c_contiguous and is_frozen(images)
        if fit_on_device(flat.nbytes, ops) or not self.may_feed:
            self.images = flat if is_usable and ops.is_array(flat) else ops.asarray(flat)
        else:
            self.images = flat if is_usable else flat.copy()
            self._feed = Feed(self.images, self.batch_size, ops)
        self.image_shape, self.n_pixels = images.shape[1:], flat.shape[1]
        self.order = ops.asarray(self._rows)
        low, high = image_range
        self.scale, self.shift = (high - low) / 255, low
        self._class_onehot: Array | None = None

    def take_share(self, rank: int, size: int) -> None:
        """Let `gather` write only the part of each batch that this rank, of `size`, has."""
        n = self.batch_size // size
        self.share = slice(rank * n, (rank + 1) * n)

    @property
    def n_images(self) -> int:
        """The number of images taken."""
        return len(self._rows)

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise `RunError` unless the images fit a generator whose images have this shape."""
        check_image_shape(self.image_shape, shape)

    def set_labels(self, labels: np.ndarray | None, num_classes: int, per_image: int = 1) -> None:
        """Set the classes that `gather` writes.

        Parameters
        ----------
        labels : integers in 0..num_classes-1, one for each of the images taken
        num_classes : width of the one-hot rows
        per_image : how many classes or clusters an image has

        Raises
        ------
        RunError : the labels are anything else, or images have more than one
        """
        if per_image != 1:
            raise RunError(
                f"images: expected a recipe with one cluster for each, got {per_image}, which is "
                "for Stacked MNIST"
            )
        taken = one_hot(labels, len(self._rows), num_classes)
        if len(taken) < len(self.images):
            whole = np.zeros((len(self.images), num_classes), np.uint8)
            whole[self._rows] = taken
            taken = whole
        self._class_onehot = self.ops.asarray(taken)

    def gather(self, step: int, *, out: Array, class_onehot: Array | None = None) -> None:
        """Write the batch of a training step into the given arrays.

        Parameters
        ----------
        step : counted from 0
        out : images, (batch_size, pixels) of the network's dtype; fewer after `take_share`
        class_onehot : their one-hot classes, (batch_size, one_hot_size); needs `set_labels` first
        """
        place = step % self.per_epoch
        if place == 0:
            self.stream.shuffle_(self.order)
            if self._feed:
                self._feed.forget_order()
        index = self.order[place * self.batch_size : (place + 1) * self.batch_size][self.share]
        images, rows = self.images, index
        if self._feed:
            images, rows = self._feed.batch(place, self.order), self._feed.index[self.share]
        self.ops.gather_rows(images, rows, self.scale, self.shift, out=out)
        if class_onehot is not None:
            self.ops.gather_rows(self._class_onehot, index, 1.0, 0.0, out=class_onehot)

    def orders(self) -> tuple[list[Array], list[Any]]:
        """The index vectors that `gather` shuffles, and their streams, for checkpoints.

        The caller may change them before the next `gather`.
        """
        if self._feed:
            self._feed.forget_order()
        return [self.order], [self.stream]


def is_frozen(array: np.ndarray) -> bool:
    """Whether the array, and all that it is a view of, are read-only."""
    part: Any = array
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            return False
        part = part.base
    return part is None or isinstance(part, bytes | mmap)


def check_batch_size(batch_size: Any, n: int, what: str) -> int:
    """The batch size as an int; `RunError` unless it is in 1..n, the number of `what`."""
    if not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= n:
        raise RunError(f"batch size: expected 1 to {n:,}, the number of {what}, got {batch_size}")
    return int(batch_size)


def check_images(images: Any) -> None:
    """Raise `RunError` unless the images are uint8 (N, ...) in 0..255."""
    is_array = isinstance(images, np.ndarray)
    if not is_array or images.dtype != np.uint8 or images.ndim < 2:
        got = f"{images.dtype} {images.shape}" if is_array else type(images).__name__
        raise RunError(
            f"images: expected a uint8 array of shape (N, ...), got {got}; {how_to_convert(images)}"
        )
    if not images.size:
        raise RunError(
            f"images: expected at least one image of at least one pixel, got shape {images.shape}"
        )
    if images.max() == 1:
        raise RunError(
            "images: expected uint8 in 0..255, got no value above 1; multiply them by 255"
        )


def how_to_convert(images: Any) -> str:
    """Advice on converting these images to uint8 (N, ...)."""
    if not isinstance(images, np.ndarray) or images.dtype == object:
        return "make them one array: np.array(list_of_images, np.uint8)"
    if images.dtype.kind == "f":
        return "convert values in [0, 1] by np.rint(255 * images).astype(np.uint8)"
    if images.dtype == bool:
        return "convert them by 255 * images.astype(np.uint8)"
    if images.dtype != np.uint8:
        return "convert values in 0..255 by images.astype(np.uint8)"
    return "the array needs an axis for the images and at least one for their pixels"


def one_hot(labels: Any, n: int, num_classes: int) -> np.ndarray:
    """n integer labels in 0..num_classes-1 -> uint8 (n, num_classes), 1 at the label, else 0."""
    labels = checked_labels(labels, n, num_classes)
    return (labels[:, None] == np.arange(num_classes)).astype(np.uint8)


def checked_labels(labels: Any, n: int, num_classes: int) -> np.ndarray:
    """The labels as an array; `RunError` unless they are n integers in 0..num_classes-1."""
    given, labels = labels, np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        got = f"{labels.dtype} {labels.shape}"
        if given is None or labels.dtype == object:
            got = "none" if given is None else type(given).__name__
        raise RunError(
            f"labels: expected an integer for each of {n:,} images, since this recipe is "
            f"conditional on classes, got {got}"
        )
    if not 0 <= labels.min() <= labels.max() < num_classes:
        raise RunError(
            f"labels: expected classes in 0..{num_classes - 1}, got {labels.min()}..{labels.max()}"
        )
    return labels
