"""A set of images, whatever they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gan.data.batches import Batches
from gan.errors import DataError

MIN_SIDE = 4  # pixels: smaller images hold no picture, and are mostly mistaken axes
BLOCK_BYTES = 1 << 24  # hashed or converted at a time


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, with the class of each if there are classes.

    A `Trainer` takes it in place of an array: ``Trainer(recipe, images, images.labels)``.

    Parameters
    ----------
    images
        uint8 (N, C, H, W) in 0..255, C 1 or 3; may be a read-only memory map.
    labels
        int64 (N,) in 0..K-1, or None.
    class_names
        The K names, or None if there are no labels.
    report
        What was made of the source, in one line.

    Raises
    ------
    DataError
        If the arrays have other shapes or types, or do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    report: str = ""

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise DataError(
                f"images: expected uint8 (N, 1 or 3, H, W), got {images.dtype} {images.shape}; "
                "convert them with gan.data.from_array"
            )
        if min(images.shape) < 1 or min(images.shape[2:]) < MIN_SIDE:
            raise DataError(
                f"images: expected at least one image of at least {MIN_SIDE} x {MIN_SIDE} "
                f"pixels, got shape {images.shape}; check the order of the axes"
            )
        if (labels is None) != (self.class_names is None):
            raise DataError(
                "labels: expected labels together with class names, got only one of them; give "
                "both or neither"
            )
        if labels is not None and self.class_names is not None:
            self._check_labels(labels, len(self.class_names))

    def _check_labels(self, labels: np.ndarray, n_classes: int) -> None:
        """Raise `DataError` unless there is a label in 0..n_classes-1 for each image."""
        if labels.shape != (len(self),) or labels.dtype.kind not in "iu":
            raise DataError(
                f"labels: expected an integer for each of {len(self):,} images, got "
                f"{labels.dtype} {labels.shape}; give one label an image"
            )
        if not 0 <= labels.min() <= labels.max() < n_classes:
            raise DataError(
                f"labels: expected 0..{n_classes - 1} for {n_classes} class names, got "
                f"{labels.min()}..{labels.max()}; name every class"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.images.shape[1:]

    def subset(self, rows: np.ndarray) -> ImageSet:
        """The images at these rows, an index or mask (N,), with their labels."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], labels=labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of shape, pixels, labels and class names: equal sets have equal digests."""
        names = self.class_names
        sha256 = hashlib.sha256(repr((self.images.shape, names)).encode(errors="backslashreplace"))
        for block in blocks(self.images):
            sha256.update(np.ascontiguousarray(block).data)
        if self.labels is not None:
            sha256.update(self.labels.astype("<i8").tobytes())
        return sha256.hexdigest()

    def batches(
        self, batch_size: int, image_range: tuple[float, float], ops: Any, stream: Any
    ) -> Batches:
        """Batches of these images; see `gan.data.batches.BatchSource`."""
        return Batches(self.images, batch_size, image_range, ops, stream)


def blocks(images: np.ndarray) -> list[np.ndarray]:
    """Views of consecutive images, of about BLOCK_BYTES each."""
    n = max(1, BLOCK_BYTES // max(1, images[:1].nbytes))
    return [images[first : first + n] for first in range(0, len(images), n)]
