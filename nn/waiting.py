"""How idle threads wait for the next piece of work: briefly, then asleep.

By default the threads of OpenBLAS and GNU OpenMP spin between two pieces of work, for milliseconds. Where other programs want
the cores, a thread that spins uses up the time that its partner needs, and each loop takes a whole turn of the scheduler. A
thread that sleeps is woken within microseconds and put before those programs: beside two busy processes on two cores, steps
are 2.4 times as long as alone instead of 4 times and more (`python -m benchmarks.busy`). OpenBLAS's threads also spin inside
a product, which no setting changes: without Numba, steps are 3 to 5 times as long there.

The libraries read these settings once, when they are loaded, so each is set only meanwhile: other libraries and child processes
do not see it.
"""

import ctypes
import os
import sys
from contextlib import contextmanager

OPENBLAS = {"OPENBLAS_THREAD_TIMEOUT": "20"}  # 2^20 clock ticks, half a millisecond: OpenBLAS's own is 2^26, and 2^4
# makes products of 60 us take 90, since their thread has to be woken
GNU_OPENMP = {"GOMP_SPINCOUNT": "1000"}  # rounds of a loop, some microseconds; with 0, a quiet step takes twice as long
SAID_OTHERWISE = ("OMP_WAIT_POLICY", *OPENBLAS, *GNU_OPENMP)  # a user's own choice stays


OPENBLAS_IS_LATE = "numpy" in sys.modules  # this module is imported before nn imports NumPy


def user_has_chosen():
    return any(name in os.environ for name in SAID_OTHERWISE)


@contextmanager
def settings(variables):
    """Let a library that is loaded in this block read these variables, unless the user has set their own."""
    added = {} if user_has_chosen() else variables
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def too_late(library, is_late):
    """What to say of a library that was loaded before its settings, or ""."""
    return f"{library} was loaded before nn, so its idle threads spin" if is_late and not user_has_chosen() else ""


def is_loaded(library):
    """Whether the process has loaded this shared library."""
    try:
        ctypes.CDLL(library, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except (AttributeError, OSError):  # no RTLD_NOLOAD on Windows
        return False
    return True
