"""How the CPU's loops are compiled: for one thread and, where it pays off, for all.

Rules for the kernels of this package. Vectors and matrices are C-contiguous and share one dtype,
float32 or float64; numbers come as Python floats and are rounded to that dtype, as NumPy rounds
them. No sum is reassociated and no product contracted into its sum, so an elementwise kernel gives
the same bytes as NumPy's chain of operations. Exponentials of large arrays are NumPy's own, between
two kernels: its loops take eight numbers at once, and another library's would round differently.
`prange` loops are shared between threads where arrays are large.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba

from nn.ops.numba.threads import POOL

try:
    from nn.ops.numba.cache import DiskCache
except ImportError:  # another version of Numba with another cache: each process compiles for itself
    DiskCache = None  # type: ignore[assignment,misc]

OPTIONS = {"nogil": True, "error_model": "numpy"}  # x / 0 is infinite, not an exception
LARGE = 1 << 15  # elements; calling another thread costs as much as going through some ten thousand

Kernel = Callable[..., Any]

inner: Callable[[Kernel], Kernel] = numba.njit(**OPTIONS)  # compiled into each kernel that calls it


def compiled(parallel: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function at its first call, or load its machine code from disk.

    With parallel, its `prange` loops are shared between threads.
    """
    options = {**OPTIONS, "parallel": parallel}

    def decorate(function: Kernel) -> Kernel:
        dispatcher = numba.njit(**options)(function)
        if DiskCache is not None and hasattr(dispatcher, "_cache"):  # not with NUMBA_DISABLE_JIT
            dispatcher._cache = DiskCache(function, options)
        return dispatcher

    return decorate


def both(function: Kernel) -> tuple[Kernel, Kernel]:
    """(the function compiled for one thread, and for all)."""
    double = FunctionType(function.__code__, function.__globals__, function.__name__)
    double.__qualname__ += "_together"  # symbols of machine code have this name
    return compiled()(function), compiled(parallel=True)(double)


def shared(least: int) -> Callable[[Kernel], Kernel]:
    """Compile a function for one thread, and for all where its first array is large enough.

    least: elements of that array.
    """

    def decorate(function: Kernel) -> Kernel:
        alone, together = both(function)

        def call(*arguments: Any) -> Any:
            if arguments[0].size >= least and POOL.ready():
                return together(*arguments)
            return alone(*arguments)

        return call

    return decorate


kernel = compiled()
shared_kernel = shared(LARGE)
