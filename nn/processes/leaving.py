"""How a process leaves the others at the end of its program, and how they notice one that is early.

MPI lets no process end before all of them end. One that leaves while the others go on, by
`sys.exit` for example, would keep them waiting for ever. So a process that leaves says how many
calls it has answered, and whoever waits for one more raises an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from nn.errors import ProcessesError
from nn.processes.waiting import wait

TAG = 1  # of these messages; no others are sent from one process to another


class Farewells:
    """Messages of processes whose program has ended.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
        The processes.
    """

    def __init__(self, world: Any) -> None:
        self._world, self._pid = world, os.getpid()
        self._answered: dict[int, int] = {}  # calls, by the ranks that have left
        self._sent: list[Any] = []

    def check(self, n_answered: int) -> None:
        """Raise `ProcessesError` if a process has left before the call that we wait in.

        `n_answered` is the number of calls that we have been through.
        """
        self._receive()
        for rank, n in self._answered.items():
            if n <= n_answered:
                raise ProcessesError(
                    f"expected rank {rank} to go on, but its program has ended; let all ranks "
                    "call fit and end alike"
                )

    def leave(self, n_answered: int, check: Callable[[], None]) -> None:
        """Tell the others, and wait until they leave too; `check` is for those that are killed."""
        if os.getpid() != self._pid:  # a fork
            return
        ours, others = self._world.rank, set(range(self._world.size)) - {self._world.rank}
        self._sent = [self._world.isend((ours, n_answered), rank, TAG) for rank in others]

        def check_if_missing() -> None:
            try:
                check()
            except ProcessesError:  # it may have left, and ended, since the last look
                if not self.Test():
                    raise

        wait(self, float("inf"), check_if_missing)

    def Test(self) -> bool:
        """Whether all others have left; named as a request's, for `wait`."""
        self._receive()
        return len(self._answered) == self._world.size - 1

    def _receive(self) -> None:
        """Take the messages that have come."""
        while self._world.iprobe(tag=TAG):
            rank, n = self._world.recv(tag=TAG)
            self._answered[rank] = n
