"""Where child processes run, and the memory they took."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
MAXRSS_PER_MIB = 1024**2 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, else KiB


def resident_memory(pid: int) -> float:
    """The resident set of a process, in MiB."""
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024


def poll_peak_memory(process: subprocess.Popen) -> float | None:
    """Peak memory of a process that has ended, in MiB, or None while it runs.

    A process inherits the peak of the one that starts it, so smaller peaks cannot be seen.
    """
    return _peak_memory(process, os.WNOHANG)


def peak_memory(process: subprocess.Popen) -> float:
    """The same, after waiting for the end."""
    peak = _peak_memory(process, 0)
    assert peak is not None
    return peak


def _peak_memory(process: subprocess.Popen, options: int) -> float | None:
    pid, status, usage = os.wait4(process.pid, options)
    if not pid:
        return None
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / MAXRSS_PER_MIB
