"""The CPU backend on NumPy, the reference that every other backend is tested against.

Memory that a primitive needs beyond its arguments is scratch memory, valid only within the call.
"""

from __future__ import annotations

from nn.ops.base import Seed
from nn.ops.numpy.augmentation import NumpyAugmentation
from nn.ops.numpy.conv import NumpyConv
from nn.ops.numpy.losses import NumpyLosses
from nn.ops.numpy.normalization import NumpyNormalization
from nn.ops.numpy.optimizers import NumpyOptimizers
from nn.ops.numpy.pooling import NumpyPooling
from nn.ops.numpy.random import NumpyStream


class NumpyOps(
    NumpyConv, NumpyPooling, NumpyAugmentation, NumpyLosses, NumpyNormalization, NumpyOptimizers
):
    """All primitives of `nn.ops.base.Ops` on NumPy arrays."""

    get_ops_arguments = ("numpy",)

    def stream(self, seed_sequence: Seed) -> NumpyStream:
        return NumpyStream(seed_sequence)
