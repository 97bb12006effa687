"""The CPU backend with Numba: compiled loops and products, shared between threads.

Elementwise primitives give the same bytes as `NumpyOps`. Products and sums add in another order and
agree within rounding. NumPy takes the arrays that a kernel does not: those with gaps, or integers.

A factor beside the call of a kernel, as in "4.7x", is NumPy's time divided by the kernel's, for
50,000 floats on one thread of a two-core machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nn.ops.base import Seed
from nn.ops.numba.activations import NumbaActivations
from nn.ops.numba.arrays import NumbaArrays
from nn.ops.numba.conv import NumbaConv
from nn.ops.numba.losses import NumbaLosses
from nn.ops.numba.normalization import NumbaNormalization
from nn.ops.numba.optimizers import NumbaOptimizers
from nn.ops.numba.pooling import NumbaPooling
from nn.ops.numba.products import NumbaProducts
from nn.ops.numba.random import NumbaStream
from nn.ops.numpy.ops import NumpyOps
from nn.ops.recording import PRIMITIVES, make_recordable

if TYPE_CHECKING:
    from nn.ops.numba.capture.program import Program


class NumbaOps(
    NumbaConv,
    NumbaLosses,
    NumbaActivations,
    NumbaNormalization,
    NumbaOptimizers,
    NumbaPooling,
    NumbaProducts,
    NumbaArrays,
    NumpyOps,
):
    """All primitives of `nn.ops.base.Ops` on NumPy arrays."""

    get_ops_arguments = ("cpu",)

    def stream(self, seed_sequence: Seed) -> NumbaStream:
        return NumbaStream(seed_sequence)

    def capture(self, step: Callable[[], None]) -> Program | None:
        """The program, or None for a backend with primitives of its own, which are not recorded."""
        if type(self) is not NumbaOps or PRIMITIVES & vars(self).keys():
            step()
            return None
        from nn.ops.numba.capture.program import record

        return record(self, step)


for kind in (NumbaOps, NumbaStream):
    make_recordable(kind, PRIMITIVES, "nn.ops.numba.")
