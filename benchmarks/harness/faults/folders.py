"""Folders that are removed, made read-only or given to two runs; a clock that runs backwards."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from pathlib import Path

from benchmarks.harness.faults.runs import Ended, Runs, is_clear_error

PR_CAPBSET_DROP = 24  # of Linux, and the capability by which root may write anywhere
CAP_DAC_OVERRIDE = 1
CLOCK_BACK = (
    "import time; t = iter(range(2_000_000_000, 0, -3600)); time.time = lambda: float(next(t))\n"
)


def folders(folder: str | Path, count: int) -> tuple[int, int, str]:
    """Each of the four faults, `count` times."""
    runs, survived = Runs(folder), 0
    for k in range(count):
        survived += removed(runs, f"removed-{k}")
        survived += read_only(runs, f"read-only-{k}")
        survived += given_to_two(runs, f"twice-{k}")
        survived += clock_back(runs, f"clock-{k}")
    return 4 * count, survived, f"{count} each of removed, read-only, given to two, clock set back"


def removed(runs: Runs, out: str) -> bool:
    """The folder is removed during the run."""
    process = runs.start(out)
    runs.wait_for_checkpoint(out, process)
    os.rename(runs.folder / out, runs.folder / f"{out}-gone")
    shutil.rmtree(runs.folder / f"{out}-gone", ignore_errors=True)
    return is_clear_error(runs.end(process), out, "No such file")


def read_only(runs: Runs, out: str) -> bool:
    """The folder is made read-only during the run."""
    process = runs.start(out, preexec_fn=without_override if os.geteuid() == 0 else None)
    runs.wait_for_checkpoint(out, process)
    (runs.folder / out).chmod(0o555)
    failed = is_clear_error(runs.end(process), out, "Permission denied", "saved before")
    (runs.folder / out).chmod(0o755)
    return failed and runs.survives_resume(out)


def without_override() -> None:
    """Make permissions apply to this process, although root owns it."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def given_to_two(runs: Runs, out: str) -> bool:
    """A second run is refused while the first is paused; the first then ends as usual."""
    process = runs.start(out)
    runs.wait_for_checkpoint(out, process)
    process.send_signal(signal.SIGSTOP)
    refused = is_clear_error(runs.end(runs.start(out)), out)
    refused = refused and is_clear_error(runs.end(runs.resume(out)), out, "another run")
    process.send_signal(signal.SIGCONT)
    return refused and runs.end(process) == Ended(0, "") and runs.equals_whole(out)


def clock_back(runs: Runs, out: str) -> bool:
    """The clock goes back by an hour at each look."""
    ended = runs.end(runs.start(out, before=CLOCK_BACK))
    return ended == Ended(0, "") and runs.result(out)[0] == runs.weights
