"""Waiting for the other processes: briefly at full speed, then asleep most of the time."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nn.errors import ProcessesError

# An answer of ranks that do the same comes within the first; later, a sleeping process leaves its
# core to the others, and notices a signal.
SPIN, DOZE = 0.002, 0.1  # seconds
NAP, SLEEP = 50e-6, 1e-3
LOOK_EVERY = 0.5  # seconds, for processes that have ended
NO_LONGER = 1.0  # seconds that one sleep counts as: more, and this process was stopped itself


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


def this_machine() -> str:
    """What tells apart machines, and containers on them, whose process ids mean nothing here."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # not Linux
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def wait(request: Any, deadline: float, check: Callable[[], None]) -> float:
    """Wait for an MPI request.

    Time in which this process was stopped, or asleep with its machine, does not count. `check` is
    called now and then; it raises `ProcessesError` if another process will never answer.

    Returns
    -------
    float
        The seconds that it took.

    Raises
    ------
    ProcessesError
        If it takes longer than `deadline`, in seconds.
    """
    if request.Test():
        return 0.0
    last = looked = time.monotonic()
    waited = 0.0
    while not request.Test():
        now = time.monotonic()
        waited, last = waited + min(now - last, NO_LONGER), now
        if waited < SPIN:
            _yield_core()
            continue
        time.sleep(NAP if waited < DOZE else SLEEP)
        if now - looked >= LOOK_EVERY:
            looked = now
            check()
        if waited > deadline:
            raise ProcessesError(
                f"expected the other ranks to answer within {deadline:g} s, got no answer; one of "
                "them hangs, or its machine cannot be reached; what was saved before is whole"
            )
    return waited


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
