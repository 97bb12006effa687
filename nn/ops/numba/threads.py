"""How the CPU's loops are compiled, and the threads that they share."""

import ctypes
import os
from types import FunctionType

import numba

from nn.ops.numba.blas import find_blas

try:
    from numba.np.ufunc import omppool  # noqa: F401

    OPENMP = os.environ.get("NUMBA_THREADING_LAYER", "omp") == "omp"  # its threads start within microseconds
except ImportError:  # Numba's other threads take longer to start than most loops of a step do
    OPENMP = False
BLAS = find_blas(OPENMP)


def shared_threads():
    """How many threads a loop may take: as many as BLAS may, which OPENBLAS_NUM_THREADS and the like say."""
    if not OPENMP:
        return 1
    numba.config.THREADING_LAYER = "omp"
    threads = numba.config.NUMBA_NUM_THREADS
    return min(threads, ctypes.CFUNCTYPE(ctypes.c_int)(BLAS.get_threads)()) if BLAS else threads


THREADS = shared_threads()


def compiled(parallel=False):
    """Compile a function at its first call; its machine code is kept on disk where a folder for it can be written, else it is
    made anew by each process. parallel: its `prange` loops are shared between threads."""
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel}  # x / 0 is infinite, not an exception

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder: neither beside the file nor in the user's cache
            return numba.njit(**options)(function)

    return decorate


def shared(least):
    """Compile a function twice: for one thread, and for all, which serve where its first array has so many elements or more."""

    def decorate(function):
        double = FunctionType(function.__code__, function.__globals__, function.__name__)
        double.__qualname__ += "_together"  # Numba keeps machine code by this name, and not by whether it is parallel
        alone, together = compiled()(function), compiled(parallel=True)(double)
        return lambda *arguments: (together if THREADS > 1 and arguments[0].size >= least else alone)(*arguments)

    return decorate
