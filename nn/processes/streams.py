"""Noise for a batch that several processes share."""

from __future__ import annotations

from typing import Any

from nn.ops.base import Array
from nn.processes.single import Processes


class SharedStream:
    """A random stream that draws for the whole batch, the same on every rank, and gives our part.

    Rank r of N has rows r n ... (r + 1) n of a batch of N n. So N processes see the noise that one
    would.

    Parameters
    ----------
    stream : Stream
        In the same state on every rank.
    ops : Ops
        Its backend.
    processes : Processes
    """

    def __init__(self, stream: Any, ops: Any, processes: Processes) -> None:
        self.stream, self._ops = stream, ops
        self._rank, self._size = processes.rank, processes.size
        self._whole: dict[tuple[Any, ...], Array] = {}

    def normal_(self, out: Array) -> Array:
        """Fill with standard normal numbers."""
        return self._part(self.stream.normal_(self._whole_of(out)), out)

    def uniform_(self, out: Array, low: float = 0.0, high: float = 1.0) -> Array:
        """Fill with uniform numbers in [low, high)."""
        return self._part(self.stream.uniform_(self._whole_of(out), low, high), out)

    @property
    def state(self) -> dict[str, Any]:
        return self.stream.state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.stream.state = state

    def _whole_of(self, out: Array) -> Array:
        """An array for the batch of all ranks."""
        shape = self._size * len(out), *out.shape[1:]
        if (key := (shape, str(out.dtype))) not in self._whole:
            self._whole[key] = self._ops.empty(shape, out.dtype)
        return self._whole[key]

    def _part(self, whole: Array, out: Array) -> Array:
        """Copy our rows."""
        self._ops.copy_(out, whole[self._rank * len(out) : (self._rank + 1) * len(out)])
        return out
