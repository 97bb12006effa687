"""The contract between layers and backends: `Array`, `Stream`, and all primitives, `Ops`.

A layer calls ``self.ops.gemm(...)`` and never asks which backend it is on. Each theme has a module
here and one of the same name in each backend that implements it. `NumpyOps` is the reference.

These conventions hold for every primitive:

- The result goes into an array that the caller provides: `out`, or, for a name that ends in `_`,
  one of the arguments. A primitive that has an `out` returns it.
- After its first call with the same shapes, a primitive allocates nothing, apart from `empty`,
  `zeros`, `asarray`, `to_host`, `stream` and `staging`.
- All arrays share one floating dtype unless stated otherwise. Scalars are Python numbers and are
  rounded to that dtype.
- An output overlaps no other argument. "out may be x" allows the two to be the same array, not to
  overlap in part.
- Only `to_host` and `all_finite` read back to the host.
- A wrong shape or dtype is an error, whose type depends on the backend. Layers check shapes first.

Images are channels-last: x is (N, H, W, C), y is (N, P, Q, K). A `Pair` is (vertical, horizontal).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nn.ops.base.activations import ActivationOps
from nn.ops.base.arrays import ALIGNMENT, A, Array, ArrayOps, Staging
from nn.ops.base.augmentation import AugmentationOps
from nn.ops.base.conv import ConvOps, Pair
from nn.ops.base.losses import LossOps
from nn.ops.base.normalization import NormalizationOps
from nn.ops.base.optimizers import OptimizerOps
from nn.ops.base.pooling import PoolingOps
from nn.ops.base.products import ProductOps
from nn.ops.base.random import RandomOps, Seed, Stream

__all__ = ["ALIGNMENT", "Array", "Ops", "Pair", "Seed", "Staging", "Stream"]


class Ops(
    ArrayOps[A],
    ProductOps[A],
    ConvOps[A],
    PoolingOps[A],
    AugmentationOps[A],
    ActivationOps[A],
    NormalizationOps[A],
    LossOps[A],
    OptimizerOps[A],
    RandomOps[A],
    Protocol[A],
):
    """The primitives of a backend on arrays of type A."""

    device: str  # "cpu" or "cuda"

    def capture(self, step: Callable[[], None]) -> Callable[[], None] | None:
        """Run a step, and return a program that repeats what it did, or None.

        The program reads and writes the same arrays and draws from the same random streams, without
        the Python between the primitives. Numbers that the step computed are part of it.
        """
