"""Waiting for the other processes: briefly at full speed, then asleep most of the time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from nn.errors import ProcessesError

# An answer of ranks that do the same comes within the first; later, a sleeping process leaves its
# core to the others, and notices a signal.
SPIN, DOZE = 0.002, 0.1  # seconds
NAP, SLEEP = 50e-6, 1e-3
LOOK_EVERY = 0.5  # seconds, for processes of this machine that have ended


class Neighbours:
    """The other processes on this machine; a wait for one that has ended would be for ever.

    Parameters
    ----------
    places : list of (str, int)
        The machine and the process id of each rank.
    rank : int
        Our own.
    """

    def __init__(self, places: list[tuple[str, int]], rank: int) -> None:
        machine = places[rank][0]
        self._pids = {
            other: pid
            for other, (name, pid) in enumerate(places)
            if name == machine and other != rank and _exists(pid)
        }

    def check(self) -> None:
        """Raise `ProcessesError` if one of them has ended."""
        for rank, pid in self._pids.items():
            if not _exists(pid):
                raise ProcessesError(
                    f"expected rank {rank}, process {pid}, to go on, but it has ended; its own "
                    "message or the launcher's says why; what was saved before is whole"
                )


def wait(request: Any, deadline: float, neighbours: Neighbours) -> None:
    """Wait for an MPI request.

    Raises
    ------
    ProcessesError
        If it takes longer than `deadline`, in seconds, or a neighbour has ended.
    """
    if request.Test():
        return
    began = looked = time.monotonic()
    while not request.Test():
        now = time.monotonic()
        if now - began < SPIN:
            _yield_core()
            continue
        time.sleep(NAP if now - began < DOZE else SLEEP)
        if now - looked >= LOOK_EVERY:
            looked = now
            neighbours.check()
        if now - began > deadline:
            raise ProcessesError(
                f"expected the other ranks to answer within {deadline:g} s, got no answer; one of "
                "them hangs, or its machine cannot be reached; what was saved before is whole"
            )


_yield_core: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))


def _exists(pid: int) -> bool:
    """Whether this process exists and may be asked about."""
    if os.name != "posix":  # there, the same call would end it
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
