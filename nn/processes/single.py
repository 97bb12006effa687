"""The interface of the processes that train together, and a single one, for which it does nothing.

Every process has the same networks and a part of each batch. A method that sends something must be
called by all of them, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nn.ops.base import Array


class Processes:
    """A single process, and the base of `MPIProcesses`.

    Attributes
    ----------
    rank : int
        Which process this is, from 0.
    size : int
        How many there are.
    is_over : bool
        Whether `finish` has returned.
    """

    rank, size = 0, 1
    is_over = False

    def allreduce_mean_(self, x: Array, ops: Any) -> None:
        """x = mean of the x of all processes, in place and the same everywhere.

        Parameters
        ----------
        x : Array
            float32 or float64, contiguous; sent as it is.
        ops : Ops
            Its backend.
        """

    def broadcast_(self, x: Array, ops: Any) -> None:
        """x = the x of rank 0, in place; the parameters are those of `allreduce_mean_`."""

    def share(self, value: Any) -> Any:
        """The value of rank 0, pickled: for small things, before and after training."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks in order, pickled; on other ranks than 0, an empty list."""
        return [value]

    def agree(self, *numbers: float, in_step: bool = False) -> tuple[float, ...]:
        """The largest of each number over all processes.

        Parameters
        ----------
        numbers : float
        in_step : bool
            Whether the ranks other than 0 have nothing to do before but their step; one of them
            that does not answer then hangs.
        """
        return numbers

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Rank 0 runs the block first, then all others: what it downloads, they find."""
        yield

    def twice(self, first: Callable[[], Any], second: Callable[[], Any]) -> None:
        """Call both; what the first received in all-reduces is what those of the second return.

        So that a computation can be compared with its repetition by one rank alone.
        """
        first()
        second()

    def finish(self) -> None:
        """Wait until all processes have nothing left to do."""

    def abort(self, status: int) -> None:
        """End all processes at once with this exit status, where there are several."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Processes:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _single, ()  # what is loaded elsewhere trains alone


def _single() -> Processes:
    """The single process."""
    return SINGLE


SINGLE = Processes()
