"""The CPU backend with Numba: compiled loops and products, shared between threads.

Elementwise primitives give the same bytes as `NumpyOps`; products and sums add in another order and
agree within rounding. Arrays that a kernel does not take (not contiguous, or integers) go NumPy's
way.

A factor beside a kernel's call, as in "4.7x", is NumPy's time over the kernel's for 64 x 784
floats, on one thread of a two-core machine.
"""

from __future__ import annotations

from nn.ops.base import Seed
from nn.ops.numba.activations import NumbaActivations
from nn.ops.numba.arrays import NumbaArrays
from nn.ops.numba.conv import NumbaConv
from nn.ops.numba.losses import NumbaLosses
from nn.ops.numba.normalization import NumbaNormalization
from nn.ops.numba.optimizers import NumbaOptimizers
from nn.ops.numba.products import NumbaProducts
from nn.ops.numba.random import NumbaStream
from nn.ops.numpy.ops import NumpyOps


class NumbaOps(
    NumbaConv,
    NumbaLosses,
    NumbaActivations,
    NumbaNormalization,
    NumbaOptimizers,
    NumbaProducts,
    NumbaArrays,
    NumpyOps,
):
    """All primitives of `nn.ops.base.Ops` on NumPy arrays."""

    get_ops_arguments = ("cpu",)

    def stream(self, seed_sequence: Seed) -> NumbaStream:
        return NumbaStream(seed_sequence)
