"""Random numbers on the CPU, with Numba: the same as NumPy's, the raw bits drawn in a kernel."""

import ctypes

import numpy as np

from nn.ops.numba import kernels
from nn.ops.numpy.random import NumpyStream, in_memory_order, threshold


class NumbaStream(NumpyStream):
    """A `NumpyStream`, draw for draw.

    SFC64's four words of state are stepped where NumPy keeps them; NumPy tells the place, but does not promise what lies
    there, so it is looked at first, and if they are not there, NumPy draws.
    """

    def __init__(self, seed_sequence):
        super().__init__(seed_sequence)
        generator = self._generator.bit_generator
        there = np.ctypeslib.as_array((ctypes.c_uint64 * 4).from_address(generator.ctypes.state_address))
        self._words_of_state = there if np.array_equal(there, generator.state["state"]["state"]) else None

    def dropout_mask_(self, out, p):
        mask = in_memory_order(out)
        if not mask.flags.c_contiguous:
            return super().dropout_mask_(out, p)
        bits, k = threshold(p)
        draws = self._words(-(-out.size * bits // 64)).view(f"u{bits // 8}")
        kernels.dropout_mask(draws, k, 2**bits / (2**bits - k), mask.reshape(-1))  # 3x
        return out

    def _words(self, n):
        if self._words_of_state is None:
            return super()._words(n)
        if self._raw.size < n:
            self._raw = np.empty(n, np.uint64)
        kernels.sfc64(self._words_of_state, self._raw[:n])
        return self._raw[:n]
