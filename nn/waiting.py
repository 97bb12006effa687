"""How idle threads wait for their next task: briefly, then asleep.

By default, threads of OpenBLAS and GNU OpenMP spin between tasks, for milliseconds. Where other
programs want the cores, a spinning thread uses up the time that its partner needs, and each loop
takes a full time slice of the scheduler. A sleeping thread is woken within microseconds and
scheduled before those programs. With Numba, `nn/ops/numba/contention.py` then leaves the work to
one thread; it recognizes such programs by threads that wait, not by threads that spin. OpenBLAS's
threads also spin inside a product, which no setting changes: without Numba, steps take 3 to 9
times as long beside two busy processes on two cores (`python -m benchmarks.busy`).

The libraries read these variables once, when they are loaded. They are set only for that time:
other libraries and child processes do not see them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# 2^20 clock ticks, half a millisecond; OpenBLAS's default is 2^26. With 2^4, products of 60 us take
# 90: threads must be woken.
OPENBLAS = {"OPENBLAS_THREAD_TIMEOUT": "20"}
# Iterations, some 0.1 ms. With 1000, a step on a quiet machine takes up to a fifth longer, with 0
# twice as long.
GNU_OPENMP = {"GOMP_SPINCOUNT": "5000"}
USER_SETTINGS = ("OMP_WAIT_POLICY", *OPENBLAS, *GNU_OPENMP)  # a user's own choice stays

OPENBLAS_IS_LATE = "numpy" in sys.modules  # nn imports this module before NumPy


def user_has_chosen() -> bool:
    """Whether the environment already says how threads wait."""
    return any(name in os.environ for name in USER_SETTINGS)


@contextmanager
def settings(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for libraries loaded in the block, unless the user has set their own."""
    added = {} if user_has_chosen() else variables
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def too_late(library: str, is_late: bool) -> str:
    """The note about a library that was loaded before its settings, or ""."""
    if is_late and not user_has_chosen():
        return f"{library} was loaded before nn, so its idle threads spin"
    return ""


def is_loaded(library: str) -> bool:
    """Whether the process has loaded this shared library."""
    try:
        ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except (AttributeError, OSError):  # no RTLD_NOLOAD on Windows
        return False
    return True
