"""A set of points of a plane, and its batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from gan.data.batches import Batches, check_batch_size
from gan.data.image_shapes import POINTS
from gan.errors import DataError, RunError
from nn.arithmetic import ceil_div
from nn.ops.base import Array

MOST_POINTS = 1_000_000
LARGEST = 1e30  # of a coordinate
EPOCH = 131_072  # points that an epoch has at least: smaller sets are gone through several times
MARGIN = 1.25  # the square is this many times as wide as the points


class Square(NamedTuple):
    """The part of the plane that a generator of points is for: a square.

    Parameters
    ----------
    left, bottom
        Its lower left corner.
    side
        Its width and height.
    """

    left: float
    bottom: float
    side: float

    def to_unit(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the plane, as they lie in the square: 0 is left and below."""
        return (points - (self.left, self.bottom)) / self.side

    def from_unit(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `to_unit`."""
        return points * self.side + (self.left, self.bottom)


USUAL = Square(-MARGIN, -MARGIN, 2 * MARGIN)  # of points within [-1, 1]


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points to train on; a `Trainer` takes it in place of images: ``Trainer(recipe, points)``.

    A point is an image of two pixels, x and y; see `gan.data.image_shapes.POINTS`.

    Parameters
    ----------
    points
        Finite numbers (N, 2).
    name
        What the set is called.

    Raises
    ------
    DataError
        If it is another array, or all points are one.
    """

    points: np.ndarray
    name: str = "points"

    def __post_init__(self) -> None:
        points = self.points
        if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "fiu":
            raise DataError(
                f"{self.name}: expected numbers (N, 2), x and y of each point, got {points.dtype} "
                f"{points.shape}; give a row for each point"
            )
        if not 2 <= len(points) <= MOST_POINTS:
            raise DataError(
                f"{self.name}: expected 2 to {MOST_POINTS:,} points, got {len(points):,}; take "
                "more, or a part of them"
            )
        if not (np.abs(points.astype(np.float64)) <= LARGEST).all():
            raise DataError(
                f"{self.name}: expected finite coordinates of at most {LARGEST:g}, got others; "
                "remove those points"
            )
        if not np.ptp(points, axis=0).any():
            raise DataError(
                f"{self.name}: expected different points, got one of them {len(points):,} times; "
                "there is nothing to learn"
            )

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def square(self) -> Square:
        """The square that the points are in; points that fill a part of [-1, 1] keep their place.

        Other points fill most of a square of their own.
        """
        points = self.points.astype(np.float64)
        low, high = points.min(axis=0), points.max(axis=0)
        width = float((high - low).max())
        if max(-low.min(), high.max()) <= MARGIN and width >= 1 / 2:
            return USUAL
        left, bottom = (low + high) / 2 - MARGIN * width / 2
        return Square(float(left), float(bottom), MARGIN * width)

    @property
    def epoch(self) -> int:
        """How many points an epoch goes through: EPOCH or more, each point equally often."""
        return ceil_div(EPOCH, len(self)) * len(self)

    @property
    def digest(self) -> str:
        """A hash of the points: equal sets have equal digests."""
        return sha256(self.points.astype("<f8").tobytes()).hexdigest()[:16]

    def batches(
        self, batch_size: int, image_range: tuple[float, float], ops: Any, stream: Any
    ) -> PointBatches:
        """Batches of these points; see `gan.data.batches.BatchSource`."""
        return PointBatches(self, batch_size, image_range, ops, stream)


class PointBatches(Batches):
    """Whole batches of points in a new random order each epoch.

    The parameters are those of `Batches`, but `points` is a `PointSet`.

    Attributes
    ----------
    unit : float32 (N, 2), all points as they lie in their square, in [0, 1]

    Raises
    ------
    RunError : the batch size is not in 1..EPOCH
    """

    def __init__(
        self,
        points: PointSet,
        batch_size: int,
        image_range: tuple[float, float],
        ops: Any,
        stream: Any,
    ) -> None:
        self.unit = points.square.to_unit(points.points.astype(np.float64)).astype(np.float32)
        rows = np.tile(np.arange(len(points)), points.epoch // len(points))
        self.batch_size = check_batch_size(batch_size, len(rows), "points of an epoch")
        self.per_epoch = len(rows) // self.batch_size
        self.ops, self.stream = ops, stream
        low, high = image_range
        self._in_range = low + (high - low) * self.unit.astype(np.float64)
        self._convert(np.dtype(np.float32))
        self.order = ops.asarray(rows)
        self.image_shape, self.n_pixels = POINTS, 2

    def take_share(self, rank: int, size: int) -> None:
        super().take_share(rank, size)
        self._convert(self.images.dtype)

    def set_labels(self, labels: np.ndarray | None, num_classes: int, per_image: int = 1) -> None:
        raise RunError(
            f"points: expected a recipe without classes or clusters, got {num_classes}; take the "
            "recipe points"
        )

    def gather(self, step: int, *, out: Array, class_onehot: Array | None = None) -> None:
        """Write the batch of a step, counted from 0, into `out`, (batch_size, 2).

        After `take_share`, it is as much shorter.
        """
        if self.images.dtype != out.dtype:
            self._convert(out.dtype)
        place = step % self.per_epoch
        if place == 0:
            self.stream.shuffle_(self.order)
        rows = self.order[place * self.batch_size : (place + 1) * self.batch_size][self.share]
        self.ops.copy_(self._index, rows)
        self.ops.take_rows(self.images, self._index, out=out)

    def _convert(self, dtype: np.dtype) -> None:
        """Keep the points in the dtype of the networks, as `take_rows` needs them."""
        self.images = self.ops.asarray(self._in_range.astype(dtype))
        self._index = self.ops.empty((len(range(self.batch_size)[self.share]),), dtype)
