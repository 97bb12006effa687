"""Random numbers on a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nn.errors import DeviceError
from nn.ops.base import Array, Seed
from nn.ops.cuda.sources import Elementwise
from nn.ops.numpy.random import chances

if TYPE_CHECKING:
    from nn.ops.cuda.ops import CudaOps

GENERATOR = "Philox4x32-10"

RANDOM = {  # state = (key, stream, position)
    "uniform": Elementwise(
        "raw uint64 state, T low, T high",
        "T y",
        "y = uniform<T>(state, i) * (high - low) + low",
        "random",
    ),
    "normal": Elementwise("raw uint64 state", "T y", "y = normal<T>(state, i)", "random"),
    "dropout_mask": Elementwise(
        "raw uint64 state, uint64 dropped, T kept",
        "T y",
        "y = random_bits(state, i) >= dropped ? kept : T(0)",
        "random",
    ),
    "advance": Elementwise("int64 n", "raw uint64 state", "state[2] += n"),
    "shuffle_keys": Elementwise(
        "raw uint64 state, raw int64 index, int64 n",
        "raw uint64 keys, raw int64 items",
        "shuffle_key(state, index, n, i, keys, items)",
        "random",
    ),
    "shuffle_stage": Elementwise(
        "int64 distance, int64 run",
        "raw uint64 keys, raw int64 items",
        "shuffle_stage(distance, run, i, keys, items)",
        "random",
    ),
}


class CudaStream:
    """A stream of Philox 4x32-10. It draws other numbers than `NumpyStream`.

    Number n is a function of (key, stream, n), so each thread draws its own number. Key, stream and
    position are on the device, where a kernel advances the position after each draw: the host takes
    no part, and a captured draw gives new numbers at each replay.

    References
    ----------
    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, ops: CudaOps, seed_sequence: Seed) -> None:
        if not isinstance(seed_sequence, np.random.SeedSequence):
            seed_sequence = np.random.SeedSequence(seed_sequence)
        self._ops = ops
        key, stream = seed_sequence.generate_state(2, np.uint64)
        self._words = ops.asarray(np.array([key, stream, 0], np.uint64))

    def __getstate__(self) -> tuple[CudaOps, dict[str, Any]]:
        return self._ops, self.state

    def __setstate__(self, state: tuple[CudaOps, dict[str, Any]]) -> None:
        self.__init__(state[0], 0)  # type: ignore[misc]
        self.state = state[1]

    def normal_(self, out: Array) -> Array:
        self._ops.kernel("normal")(self._words, out)
        return self._advance(out)

    def uniform_(self, out: Array, low: float = 0.0, high: float = 1.0) -> Array:
        self._ops.kernel("uniform")(self._words, low, high, out)
        return self._advance(out)

    def dropout_mask_(self, out: Array, p: float) -> Array:
        """Fill with 0 with probability k / 2^32, otherwise with 2^32 / (2^32 - k)."""
        k = chances(p, 32)
        self._ops.kernel("dropout_mask")(self._words, k, 2**32 / (2**32 - k), out)
        return self._advance(out)

    def shuffle_(self, index: Array) -> Array:
        """Give each item a random key and sort the items by key, with a bitonic sort."""
        n = len(index)
        size = 1 << (n - 1).bit_length()  # a bitonic sort needs a power of two
        keys = self._ops.scratch((size,), "uint64", "keys")
        items = self._ops.scratch((size,), "int64", "items")
        self._ops.kernel("shuffle_keys")(self._words, index, n, keys, items, size=size)
        run = 2
        while run <= size:
            distance = run // 2
            while distance:
                self._ops.kernel("shuffle_stage")(distance, run, keys, items, size=size)
                distance //= 2
            run *= 2
        self._ops.copy_(index, items[:n])
        return self._advance(index)

    @property
    def state(self) -> dict[str, Any]:
        key, stream, position = (int(word) for word in self._ops.to_host(self._words))
        return {"bit_generator": GENERATOR, "key": key, "stream": stream, "position": position}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        if state.get("bit_generator") != GENERATOR:
            raise DeviceError(
                f"random state: expected one of {GENERATOR}, the generator of device 'cuda', "
                f"got {state.get('bit_generator')}; continue on the device where it was saved"
            )
        words = np.array([state["key"], state["stream"], state["position"]], np.uint64)
        self._ops.copy_(self._words, self._ops.asarray(words))

    def _advance(self, out: Array) -> Array:
        self._ops.kernel("advance")(out.size, self._words, size=1)
        return out
