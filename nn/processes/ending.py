"""How a run of several processes ends when one of them fails: all of them, with one message.

The launcher ends the others as soon as one process calls MPI's abort. Rank 0 prints its error and
aborts at once. Another rank first waits for that: an error that all ranks share is then printed by
rank 0 alone, and any other names its rank.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any

from nn.processes.single import Processes

FIRST, NEXT = 1.0, 0.05  # seconds that rank 1 leaves to rank 0, and each rank to the one before
PASSING_ON = 0.1  # seconds, from the last output to the end
PATIENCE = 600.0  # that the others leave to rank 0 to save what it has, after an error of all

_started: list[Processes] = []


def started() -> Processes | None:
    """The processes that this one was connected to, or None."""
    return _started[-1] if _started else None


def end_together(processes: Processes) -> None:
    """Let an exception that nothing catches end all processes."""
    _started[:] = [processes]
    previous = sys.excepthook

    def hook(
        kind: type[BaseException], problem: BaseException, trace: TracebackType | None
    ) -> None:
        if may_speak(problem):
            if processes.rank:
                print(f"rank {processes.rank}:", file=sys.stderr)
            previous(kind, problem, trace)
        processes.abort(130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = hook


def leave_together(processes: Any) -> None:
    """Let the program end on all of several processes, or end them all at once.

    Python calls it when the program has ended; nothing can catch an exception then.
    """
    try:
        processes.leave()
    except BaseException as problem:
        if may_speak(problem):
            print(f"{name_of_rank()}{problem}", file=sys.stderr)
        processes.abort(130 if isinstance(problem, KeyboardInterrupt) else 1)


def may_speak(problem: BaseException) -> bool:
    """Whether this process is the one to report an error; on other ranks than 0, after a wait.

    Errors with a true attribute `everywhere` are those of all ranks.
    """
    processes = started()
    if processes is None or processes.rank == 0:
        return True
    is_everywhere = bool(getattr(problem, "everywhere", False))
    time.sleep(PATIENCE if is_everywhere else FIRST + NEXT * processes.rank)
    return not is_everywhere


def name_of_rank() -> str:
    """ "rank 1: " for an error of rank 1 of several processes, else ""."""
    processes = started()
    return f"rank {processes.rank}: " if processes is not None and processes.rank else ""


def silence() -> None:
    """Flush what is printed, and drop what MPI itself would print.

    The launcher ends without a look for more output, so it gets the time to pass on what there is.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed
            pass
    time.sleep(PASSING_ON)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
