"""Holding images out of training, so that generated ones can be judged on images never seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gan.data.batches import Batches
from gan.data.images.image_set import ImageSet

PART = 10  # one image in ten is held out,
ENOUGH = 500  # but no fewer than this many,
SMALL_PART = 5  # and no more than one in five
FEWEST = 20  # images: of fewer, none is held out


def n_held_out(n: int) -> int:
    """How many of n images are held out."""
    return max(n // PART, min(ENOUGH, n // SMALL_PART)) if n >= FEWEST else 0


def held_out_rows(images: np.ndarray, count: int | None = None) -> np.ndarray:
    """The images that are held out, by the hash of their pixels.

    The choice depends on the pixels alone, not on names, order or labels, so every command makes
    the same one. Equal images are on the same side, except at the last place.

    Parameters
    ----------
    images
        uint8 (N, C, H, W).
    count
        How many to hold out, at most N; by default `n_held_out(N)`.

    Returns
    -------
    ndarray
        int64 (count,), from the smallest hash up: a random order.
    """
    count = n_held_out(len(images)) if count is None else count
    if not count:
        return np.empty(0, np.int64)
    hashes = np.array([_hash(image) for image in images], np.uint64)
    return np.argsort(hashes, kind="stable")[:count]


def _hash(image: np.ndarray) -> int:
    """64 bits of a hash of the pixels of an image."""
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True, eq=False)
class Split:
    """An image set in two: the images to train on, and those held out.

    A `Trainer` takes it in place of the set, and trains on the former.

    Parameters
    ----------
    whole
        The image set.
    held_out
        Integers, the rows of the images that are held out; all others are trained on. By default
        none.
    """

    whole: ImageSet
    held_out: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, images: ImageSet, count: int | None = None) -> Split:
        """Hold out `held_out_rows`."""
        return cls(images, held_out_rows(images.images, count))

    @cached_property
    def rows(self) -> np.ndarray:
        """int64: the rows of the images to train on, in their order."""
        is_held_out = np.zeros(len(self.whole), bool)
        is_held_out[self.held_out] = True
        return np.flatnonzero(~is_held_out)

    def __len__(self) -> int:
        return len(self.whole) - len(self.held_out)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Those of the images to train on."""
        return None if self.whole.labels is None else self.whole.labels[self.rows]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Those of the set."""
        return self.whole.class_names

    def batches(
        self, batch_size: int, image_range: tuple[float, float], ops: Any, stream: Any
    ) -> Batches:
        """Batches of the images to train on; see `gan.data.batches.BatchSource`."""
        return Batches(self.whole.images, batch_size, image_range, ops, stream, self.rows)

    @classmethod
    def joined(cls, training: ImageSet, test: ImageSet) -> Split:
        """Hold out all images of a second set, in a random order that is always the same."""
        n = len(training)
        order = np.random.default_rng(0).permutation(len(test))
        both = ImageSet(
            np.concatenate([training.images, test.images]),
            None
            if training.labels is None or test.labels is None
            else np.concatenate([training.labels, test.labels]),
            training.class_names,
            training.report,
        )
        return cls(both, n + order)
