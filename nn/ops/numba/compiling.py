"""How the CPU's loops are compiled: for one thread and, where they are worth it, for all."""

from types import FunctionType

import numba

from nn.ops.numba.threads import POOL

try:
    from nn.ops.numba.cache import DiskCache
except ImportError:  # another Numba, whose cache is made otherwise: each process compiles for itself
    DiskCache = None

OPTIONS = {"nogil": True, "error_model": "numpy"}  # x / 0 is infinite, not an exception
inner = numba.njit(**OPTIONS)  # part of each kernel that calls it


def compiled(parallel=False):
    """Compile a function at its first call, or take its machine code from disk. parallel: its `prange` loops are shared
    between threads."""
    options = {**OPTIONS, "parallel": parallel}

    def decorate(function):
        dispatcher = numba.njit(**options)(function)
        if DiskCache and hasattr(dispatcher, "_cache"):  # a plain function has none: NUMBA_DISABLE_JIT
            dispatcher._cache = DiskCache(function, options)
        return dispatcher

    return decorate


def both(function):
    """(a function compiled for one thread, and for all)."""
    double = FunctionType(function.__code__, function.__globals__, function.__name__)
    double.__qualname__ += "_together"  # symbols of machine code have this name
    return compiled()(function), compiled(parallel=True)(double)


def shared(least):
    """Compile a function for one thread, and for all, which serve where its first array has so many elements or more."""

    def decorate(function):
        alone, together = both(function)
        return lambda *arguments: (together if arguments[0].size >= least and POOL.ready() else alone)(*arguments)

    return decorate
