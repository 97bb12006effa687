"""Random numbers on the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from nn.arithmetic import ceil_div
from nn.errors import DeviceError
from nn.ops.base import Seed

WORDS_AT_ONCE = 256  # 2 KiB
TOLERANCE = 0.01  # of p, as a fraction of p (1 - p), when it is rounded to few bits


class NumpyStream:
    """A stream of SFC64, the fastest of NumPy's bit generators."""

    def __init__(self, seed_sequence: Seed) -> None:
        self._generator = np.random.Generator(np.random.SFC64(seed_sequence))
        self._raw, self._kept = np.empty(0, np.uint64), np.empty(0, bool)

    def __getstate__(self) -> dict[str, Any]:
        return self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(0)  # type: ignore[misc]  # makes whatever a subclass holds, too
        self.state = state

    def normal_(self, out: np.ndarray) -> np.ndarray:
        self._generator.standard_normal(out=in_memory_order(out), dtype=out.dtype)
        return out

    def uniform_(self, out: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        self._generator.random(out=in_memory_order(out), dtype=out.dtype)
        np.multiply(out, high - low, out=out)
        return np.add(out, low, out=out)

    def dropout_mask_(self, out: np.ndarray, p: float) -> np.ndarray:
        """0 with probability k / 2^bits, otherwise 2^bits / (2^bits - k).

        A word of 64 random bits serves eight elements, four or two: eight are 1.7 times as fast as
        four.
        """
        bits, k = threshold(p)
        mask = in_memory_order(out)
        words = self._words(ceil_div(out.size * bits, 64))
        draws = words.view(f"u{bits // 8}")[: out.size].reshape(mask.shape)
        if self._kept.size < out.size:
            self._kept = np.empty(out.size, bool)
        kept = self._kept[: out.size].reshape(mask.shape)
        np.copyto(mask, np.greater_equal(draws, k, out=kept))
        np.multiply(mask, 2**bits / (2**bits - k), out=mask)
        return out

    def shuffle_(self, index: np.ndarray) -> np.ndarray:
        self._generator.shuffle(index)
        return index

    @property
    def state(self) -> dict[str, Any]:
        held: Any = self._generator.bit_generator.state
        return {**held, "state": {"state": [int(word) for word in held["state"]["state"]]}}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        if state.get("bit_generator") != "SFC64":
            raise DeviceError(
                "random state: expected one of SFC64, as drawn on device 'cpu', "
                f"got {state.get('bit_generator')}; continue on the device where it was saved"
            )
        words = np.array(state["state"]["state"], np.uint64)
        if words.shape != (4,):  # NumPy would read four words, whatever memory they are in
            raise ValueError(f"random state: expected four words, got shape {words.shape}")
        self._generator.bit_generator.state = {**state, "state": {"state": words}}

    def _words(self, n: int) -> np.ndarray:
        """n words of random bits, in memory that the next call overwrites.

        NumPy returns them in a new array: a small one at a time, so that a training step allocates
        no large one.
        """
        if self._raw.size < n:
            self._raw = np.empty(n, np.uint64)
        words = self._raw[:n]
        for i in range(0, n, WORDS_AT_ONCE):
            part = words[i : i + WORDS_AT_ONCE]
            np.copyto(part, self._generator.bit_generator.random_raw(part.size))
        return words


@cache
def threshold(p: float) -> tuple[int, int]:
    """(bits, k), k / 2^bits close to p: 8 bits if that is within `TOLERANCE`, or 16, or 32."""
    for bits in (8, 16):
        if abs(chances(p, bits) / 2**bits - p) <= TOLERANCE * p * (1 - p):
            return bits, chances(p, bits)
    return 32, chances(p, 32)


def chances(p: float, bits: int) -> int:
    """The integer nearest to 2^bits p, except 0 and 2^bits: neither outcome is impossible."""
    return min(max(round(2**bits * p), 1), 2**bits - 1)


def in_memory_order(x: np.ndarray) -> np.ndarray:
    """x with axes in the order of their strides: NumPy's generators fill C order only."""
    if x.flags.c_contiguous:
        return x
    return x.transpose(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))
