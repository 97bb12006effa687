"""The last good state of a run, on the device."""

from __future__ import annotations

from typing import Any

from gan.uncopyable import Uncopyable
from nn.ops.base import Array


class Snapshot(Uncopyable):
    """Copies of arrays on one device, and the number of the step they were taken after."""

    def __init__(self, ops: Any, arrays: list[Array]) -> None:
        self.step = 0
        self._ops, self._arrays = ops, arrays
        self._copies = [ops.asarray(ops.to_host(array)) for array in arrays]

    def take(self, step: int) -> None:
        """Copy the arrays as they are after this step."""
        self.step = step
        for copy, array in zip(self._copies, self._arrays):
            self._ops.copy_(copy, array)

    def restore(self) -> None:
        """Write the copies back."""
        for copy, array in zip(self._copies, self._arrays):
            self._ops.copy_(array, copy)
