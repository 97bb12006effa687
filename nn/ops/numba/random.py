"""Random numbers on the CPU, compiled: NumPy's numbers, from random bits that a kernel draws."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numba import prange

from nn.arithmetic import ceil_div
from nn.ops.base import Seed
from nn.ops.numba.capture.c_functions import fill_passes
from nn.ops.numba.capture.cutting import rows, whole
from nn.ops.numba.compiling import kernel, shared_kernel
from nn.ops.numpy.random import NumpyStream, in_memory_order, threshold
from nn.ops.recording import here


@kernel(whole("state words"))
def sfc64_kernel(state: np.ndarray, words: np.ndarray) -> None:
    """Draw words as NumPy does, from Doty-Humphrey's SFC64, and leave the same state."""
    a, b, c, counter = state[0], state[1], state[2], state[3]
    for i in range(words.size):
        word = a + b + counter
        counter += np.uint64(1)
        a = b ^ (b >> np.uint64(11))
        b = c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
        words[i] = word
    state[0], state[1], state[2], state[3] = a, b, c, counter


@shared_kernel("mask")
def dropout_mask_kernel(draws: np.ndarray, k: int, scale: float, mask: np.ndarray) -> None:
    T = mask.dtype.type
    zero, scale_ = T(0), T(scale)
    for i in prange(mask.size):
        mask[i] = scale_ if draws[i] >= k else zero


@kernel(rows("x"))
def range_kernel(x: np.ndarray, width: float, low: float) -> None:
    T = x.dtype.type
    width_, low_ = T(width), T(low)
    for i in range(x.size):
        x[i] = x[i] * width_ + low_


class NumbaStream(NumpyStream):
    """A stream that draws the same numbers as `NumpyStream`.

    The kernel steps SFC64's four words of state where NumPy keeps them. NumPy gives an address and
    does not document what is there, so the words are compared first. If they differ, NumPy draws.
    """

    def __init__(self, seed_sequence: Seed) -> None:
        super().__init__(seed_sequence)
        generator: Any = self.generator.bit_generator
        address = generator.ctypes.state_address
        words = np.ctypeslib.as_array((ctypes.c_uint64 * 4).from_address(address))
        same = np.array_equal(words, generator.state["state"]["state"])
        self.state_words = words if same else None

    def normal_(self, out: np.ndarray) -> np.ndarray:
        self._note("normal", out)
        self.generator.standard_normal(out=in_memory_order(out), dtype=out.dtype)
        return out

    def uniform_(self, out: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        draws = in_memory_order(out)
        if not draws.flags.c_contiguous or out.dtype.kind != "f":
            return super().uniform_(out, low, high)
        self._note("uniform", out)
        self.generator.random(out=draws, dtype=out.dtype)
        range_kernel(draws.reshape(-1), high - low, low)
        return out

    def _note(self, distribution: str, out: np.ndarray) -> None:
        """Tell a recorder, if any, that numbers are drawn."""
        if here.recorder is not None:
            draws = in_memory_order(out)
            args = distribution, self.generator.bit_generator, self.state_words, draws
            here.recorder.kernel(fill_passes if draws.flags.c_contiguous else None, args)

    def dropout_mask_(self, out: np.ndarray, p: float) -> np.ndarray:
        mask = in_memory_order(out)
        if not mask.flags.c_contiguous:
            return super().dropout_mask_(out, p)
        bits, k = threshold(p)
        draws = self.words(ceil_div(out.size * bits, 64)).view(f"u{bits // 8}")
        dropout_mask_kernel(draws, k, 2**bits / (2**bits - k), mask.reshape(-1))  # 3x
        return out

    def words(self, n: int) -> np.ndarray:
        if self.state_words is None:
            return super().words(n)
        if self.raw.size < n:
            self.raw = np.empty(n, np.uint64)
        sfc64_kernel(self.state_words, self.raw[:n])
        return self.raw[:n]
