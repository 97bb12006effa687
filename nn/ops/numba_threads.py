"""How the CPU's loops are compiled, and the threads that they share."""

import ctypes
import os

import numba

from nn.ops.blas import find_blas

BLAS = find_blas()
try:
    from numba.np.ufunc import omppool  # noqa: F401

    OPENMP = os.environ.setdefault("NUMBA_THREADING_LAYER", "omp") == "omp"  # its threads start within microseconds
except ImportError:  # Numba's other threads take longer to start than most loops of a step do
    OPENMP = False


def shared_threads():
    """How many threads a loop may take: as many as BLAS may, which OPENBLAS_NUM_THREADS and the like say."""
    if not OPENMP:
        return 1
    numba.config.THREADING_LAYER = "omp"
    allowed = ctypes.CFUNCTYPE(ctypes.c_int)(BLAS.get_threads)() if BLAS else numba.config.NUMBA_NUM_THREADS
    numba.config.NUMBA_NUM_THREADS = min(allowed, numba.config.NUMBA_NUM_THREADS)
    return numba.config.NUMBA_NUM_THREADS


THREADS = shared_threads()


def compiled(parallel=False):
    """Compile a function at its first call; its machine code is kept on disk where a folder for it can be written, else it is
    made anew by each process. parallel: its `prange` loops are shared between threads."""
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel and OPENMP}  # x / 0 is infinite, no exception

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder: neither beside the file nor in the user's cache
            return numba.njit(**options)(function)

    return decorate
