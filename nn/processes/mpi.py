"""Processes that MPI connects, by mpi4py.

Arrays are sent from where they are, without pickling; those of a GPU pass through the host. All
calls are non-blocking and then waited for, so that signals are noticed and no core is kept busy.
"""

from __future__ import annotations

import atexit
import faulthandler
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn import launcher
from nn.errors import MissingLibraryError, ProcessesError
from nn.ops.base import Array
from nn.ops.recording import recordable
from nn.processes.ending import end_together, leave_together, silence
from nn.processes.leaving import Farewells
from nn.processes.single import Processes
from nn.processes.waiting import Neighbours, this_machine, wait

START_DEADLINE = 120.0  # seconds from the first rank's start to the last one's
STEP_DEADLINE = 300.0  # seconds: all ranks are in the same step, or compile kernels for it
LATER_DEADLINE = 60.0  # once nothing is left to compile, unless waits have been long before
LATER, LONG = 1000, 10  # all-reduces until then, and how many of the longest wait so far
NO_DEADLINE = float("inf")  # rank 0 may measure or draw for minutes


class MPIProcesses(Processes):
    """The processes that an MPI launcher has started.

    Parameters
    ----------
    mpi : module
        ``mpi4py.MPI``.

    Attributes
    ----------
    deadline : float
        Seconds that an all-reduce may take; later less, see `time_left`.
    """

    def __init__(self, mpi: Any) -> None:
        self._mpi, self._world = mpi, mpi.COMM_WORLD.Dup()
        self.rank, self.size = self._world.rank, self._world.size
        self.deadline = STEP_DEADLINE
        self._n_sent, self._n_answered, self._longest = 0, 0, 0.0
        here = this_machine(), os.getpid()
        self._neighbours = Neighbours(self._world.allgather(here), self.rank)
        self._farewells = Farewells(self._world)
        self._numbers: dict[int, np.ndarray] = {}
        self._kept: list[np.ndarray] | None = None
        self._answers: Iterator[np.ndarray] | None = None

    def __repr__(self) -> str:
        return f"rank {self.rank} of {self.size}"

    def _allreduce_mean_(self, x: Array, ops: Any) -> None:
        """See `Processes.allreduce_mean_`."""
        if self._answers is not None:
            answer = next(self._answers, None)
            if answer is not None:  # else this is no repetition, and the results differ
                ops.copy_(x, ops.asarray(answer))
            return
        host = x if isinstance(x, np.ndarray) else ops.to_pinned(x)
        in_place = self._mpi.IN_PLACE
        request = self._world.Iallreduce(in_place, host)
        waited = self._wait(request, self.time_left())
        self._n_sent, self._longest = self._n_sent + 1, max(self._longest, waited)
        np.multiply(host, 1 / self.size, out=host)
        if host is not x:
            ops.from_pinned_(x, host)
        if self._kept is not None:
            self._kept.append(host.copy())

    # a recorded step calls it between two of its parts
    allreduce_mean_ = recordable(_allreduce_mean_, is_noted=False)

    def broadcast_(self, x: Array, ops: Any) -> None:
        host = x if isinstance(x, np.ndarray) else ops.to_pinned(x)
        self._wait(self._world.Ibcast(host), NO_DEADLINE)
        if host is not x:
            ops.from_pinned_(x, host)

    def share(self, value: Any) -> Any:
        self._n_sent = 0  # another training begins, or ends
        self.agree()
        return self._world.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        self.agree()
        return self._world.gather(value) or []

    def time_left(self) -> float:
        """Seconds after which another rank that does not answer in a step hangs."""
        if self._n_sent < LATER:
            return self.deadline
        return min(self.deadline, max(LATER_DEADLINE, LONG * self._longest))

    def agree(self, *numbers: float, in_step: bool = False) -> tuple[float, ...]:
        both = self._numbers.setdefault(len(numbers), np.zeros(max(1, len(numbers))))
        both[: len(numbers)] = numbers
        request = self._world.Iallreduce(self._mpi.IN_PLACE, both, self._mpi.MAX)
        # the others may wait for rank 0, which measures and saves, but not rank 0 for the others
        deadline = self.time_left() if in_step and self.rank == 0 else NO_DEADLINE
        self._wait(request, deadline)
        return tuple(both[: len(numbers)].tolist())

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        if self.rank:
            self.agree()
            yield
        else:
            yield
            self.agree()

    def twice(self, first: Callable[[], Any], second: Callable[[], Any]) -> None:
        self._kept = []
        try:
            first()
            kept, self._kept = self._kept, None
            self._answers = iter(kept)
            second()
        finally:
            self._kept = self._answers = None

    def finish(self) -> None:
        self.agree()
        self.is_over = True

    def leave(self) -> None:
        """The program ends: wait until it does on all ranks, or raise `ProcessesError`."""
        if not self._mpi.Is_finalized():
            self._farewells.leave(self._n_answered, self._neighbours.check)

    def abort(self, status: int) -> None:
        silence()
        self._mpi.COMM_WORLD.Abort(status)  # the status is lost if a copy of it aborts

    def _wait(self, request: Any, deadline: float) -> float:
        """Wait for a request that all ranks make; the seconds that it took."""

        def check() -> None:
            self._neighbours.check()
            self._farewells.check(self._n_answered)

        waited = wait(request, deadline, check)
        self._n_answered += 1
        return waited


def every_rank_must_start() -> Any:
    """``mpi4py.MPI``, once all ranks have imported it.

    MPI waits for them in C, where neither Python's threads nor its signal handlers run. If one of
    them has ended before, faulthandler ends this one.
    """
    import mpi4py

    mpi4py.rc.thread_level = "serialized"  # one thread sends; the others need no locks
    faulthandler.dump_traceback_later(START_DEADLINE, exit=True)
    try:
        from mpi4py import MPI
    finally:
        faulthandler.cancel_dump_traceback_later()
    return MPI


def start() -> MPIProcesses:
    """Connect this process to the others that its launcher has started.

    From then on, an exception that nothing catches ends all of them, as does a program that ends
    on one of them only.

    Raises
    ------
    MissingLibraryError
        If mpi4py or an MPI library cannot be loaded.
    ProcessesError
        If MPI does not know the other processes.
    """
    n = launcher.size()
    try:
        MPI = every_rank_must_start()
    except (ImportError, RuntimeError) as problem:
        why = f"{n} processes were started" if n > 1 else "--processes mpi was given"
        reason = str(problem).partition("\n")[0]
        raise MissingLibraryError(
            f"MPI: expected mpi4py and an MPI library, since {why}, got none ({reason}); "
            "pip install -e '.[mpi]', or use --processes single"
        ) from None
    if n != MPI.COMM_WORLD.size:
        library = MPI.Get_library_version().partition("\n")[0].strip("\0 ")
        raise ProcessesError(
            f"MPI: expected the {n} processes that the launcher started, got "
            f"{MPI.COMM_WORLD.size}: mpi4py has loaded {library}, another MPI than the launcher's; "
            "start with the mpiexec of that MPI"
        )
    processes = MPIProcesses(MPI)
    end_together(processes)
    atexit.register(leave_together, processes)
    return processes
