"""The last good state of a run, on the device."""

from __future__ import annotations

from typing import Any

from gan.uncopyable import Uncopyable
from nn.ops.base import Array
from nn.processes.single import SINGLE, Processes


class Snapshot(Uncopyable):
    """Copies of arrays as they were after a step, to return to when training diverges.

    Parameters
    ----------
    ops : the backend
    arrays : on its device, copied at once as those of step 0
    processes : those that train together, and return to the same step

    Attributes
    ----------
    step : number of steps before the copies were taken
    """

    def __init__(self, ops: Any, arrays: list[Array], processes: Processes = SINGLE) -> None:
        self.step, self._processes = 0, processes
        self._ops, self._arrays = ops, arrays
        self._copies = [ops.asarray(ops.to_host(array)) for array in arrays]

    def take(self, step: int) -> None:
        """Copy the arrays as they are after this step."""
        self.step = step
        for copy, array in zip(self._copies, self._arrays):
            self._ops.copy_(copy, array)

    def take_if_finite(self, step: int) -> bool:
        """Copy the arrays, unless a number in them is not finite; returns whether it did."""
        finite = all(self._ops.all_finite(array) for array in self._arrays)
        (is_bad,) = self._processes.agree(not finite)
        if not is_bad:
            self.take(step)
        return not is_bad

    def restore(self) -> None:
        """Write the copies back."""
        for copy, array in zip(self._copies, self._arrays):
            self._ops.copy_(array, copy)
