"""The contract of random numbers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from nn.ops.base.arrays import A

Seed = int | np.random.SeedSequence


class Stream(Protocol[A]):
    """A stream of random numbers that fills given arrays.

    Equal seeds give equal bytes on the same backend.

    Attributes
    ----------
    state : dict
        Plain integers and strings, which can be stored as JSON. Reading it may wait for the device.
    """

    state: dict[str, Any]

    def normal_(self, out: A) -> A:
        """Fill with the standard normal distribution."""

    def uniform_(self, out: A, low: float = 0.0, high: float = 1.0) -> A:
        """Fill with the uniform distribution on [low, high)."""

    def dropout_mask_(self, out: A, p: float) -> A:
        """Fill with 0 with probability p, otherwise with 1 / (1 - p).

        p is rounded to k / 2^bits, with integers k and bits that the backend chooses.
        """

    def shuffle_(self, index: A) -> A:
        """Permute a vector of int64 in place. All permutations are equally likely."""


class RandomOps(Protocol[A]):
    """The source of streams."""

    def stream(self, seed_sequence: Seed) -> Stream[A]:
        """Return a new stream of random numbers on this device."""
