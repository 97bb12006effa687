"""Random numbers on the CPU."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from nn.arithmetic import ceil_div
from nn.errors import DeviceError, ShapeError
from nn.ops.base import Seed

WORDS_AT_ONCE = 256  # 2 KiB, a small array that NumPy allocates
TOLERANCE = 0.01  # relative to p (1 - p), for rounding p to few bits


class NumpyStream:
    """A stream of SFC64, the fastest of NumPy's bit generators."""

    def __init__(self, seed_sequence: Seed) -> None:
        self.generator = np.random.Generator(np.random.SFC64(seed_sequence))
        self.raw, self.kept = np.empty(0, np.uint64), np.empty(0, bool)

    def __getstate__(self) -> dict[str, Any]:
        return self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(0)  # type: ignore[misc]  # also restores what a subclass holds
        self.state = state

    def normal_(self, out: np.ndarray) -> np.ndarray:
        self.generator.standard_normal(out=in_memory_order(out), dtype=out.dtype)
        return out

    def uniform_(self, out: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        self.generator.random(out=in_memory_order(out), dtype=out.dtype)
        np.multiply(out, high - low, out=out)
        return np.add(out, low, out=out)

    def dropout_mask_(self, out: np.ndarray, p: float) -> np.ndarray:
        """Fill with 0 with probability k / 2^bits, otherwise with 2^bits / (2^bits - k).

        A word of 64 random bits serves 8, 4 or 2 elements: 8 is 1.7 times as fast as 4.
        """
        bits, k = threshold(p)
        mask = in_memory_order(out)
        words = self.words(ceil_div(out.size * bits, 64))
        draws = words.view(f"u{bits // 8}")[: out.size].reshape(mask.shape)
        if self.kept.size < out.size:
            self.kept = np.empty(out.size, bool)
        kept = self.kept[: out.size].reshape(mask.shape)
        np.copyto(mask, np.greater_equal(draws, k, out=kept))
        np.multiply(mask, 2**bits / (2**bits - k), out=mask)
        return out

    def shuffle_(self, index: np.ndarray) -> np.ndarray:
        self.generator.shuffle(index)
        return index

    @property
    def state(self) -> dict[str, Any]:
        held: Any = self.generator.bit_generator.state
        return {**held, "state": {"state": [int(word) for word in held["state"]["state"]]}}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        if state.get("bit_generator") != "SFC64":
            raise DeviceError(
                "random state: expected one of SFC64, the generator of device 'cpu', "
                f"got {state.get('bit_generator')}; continue on the device where it was saved"
            )
        words = np.array(state["state"]["state"], np.uint64)
        if words.shape != (4,):  # NumPy reads four words without checking
            raise ShapeError(
                f"random state: expected four words, got an array of shape {words.shape}; "
                "use the state that a stream gave"
            )
        self.generator.bit_generator.state = {**state, "state": {"state": words}}

    def words(self, n: int) -> np.ndarray:
        """Return n words of random bits, in memory that the next call overwrites.

        NumPy returns them in a new array, so they are drawn a few at a time: a training step
        allocates no large array.
        """
        if self.raw.size < n:
            self.raw = np.empty(n, np.uint64)
        words = self.raw[:n]
        for i in range(0, n, WORDS_AT_ONCE):
            part = words[i : i + WORDS_AT_ONCE]
            np.copyto(part, self.generator.bit_generator.random_raw(part.size))
        return words


@cache
def threshold(p: float) -> tuple[int, int]:
    """(bits, k) with k / 2^bits close to p: the fewest of 8, 16, 32 bits within `TOLERANCE`."""
    for bits in (8, 16):
        if abs(chances(p, bits) / 2**bits - p) <= TOLERANCE * p * (1 - p):
            return bits, chances(p, bits)
    return 32, chances(p, 32)


def chances(p: float, bits: int) -> int:
    """The integer nearest to 2^bits p except 0 and 2^bits, so that both outcomes stay possible."""
    return min(max(round(2**bits * p), 1), 2**bits - 1)


def in_memory_order(x: np.ndarray) -> np.ndarray:
    """x with its axes in the order of their strides, since NumPy's generators fill only C order."""
    if x.flags.c_contiguous:
        return x
    return x.transpose(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))
