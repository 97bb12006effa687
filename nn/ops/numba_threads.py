"""How the CPU's loops are compiled, and the threads that they share."""

import os

import numba


def shared_threads():
    """How many threads a loop may take: 1 where Numba lacks OpenMP, whose threads start fastest, a loop in microseconds."""
    try:
        from numba.np.ufunc import omppool  # noqa: F401
    except ImportError:
        return 1
    if "NUMBA_THREADING_LAYER" not in os.environ:
        numba.config.THREADING_LAYER = "omp"
    return numba.config.NUMBA_NUM_THREADS if numba.config.THREADING_LAYER == "omp" else 1


THREADS = shared_threads()


def compiled(parallel=False):
    """Compile a function at its first call; its machine code is kept on disk where a folder for it can be written, else it is
    made anew by each process. parallel: its `prange` loops are shared between threads."""
    options = {"nogil": True, "error_model": "numpy", "parallel": parallel and THREADS > 1}  # x / 0 is infinite, no exception

    def decorate(function):
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder: neither beside the file nor in the user's cache
            return numba.njit(**options)(function)

    return decorate
