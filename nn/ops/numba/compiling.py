"""Compilation of the CPU's loops: for one thread and, where it pays off, for all.

Rules for the kernels of this package:

- Vectors and matrices are C-contiguous and share one dtype, float32 or float64. Numbers come as
  Python floats and are rounded to that dtype, as NumPy does.
- No sum is reassociated and no product is fused into a sum, so an elementwise kernel gives the same
  bytes as NumPy's chain of operations.
- NumPy computes the exponentials of large arrays, between two kernels: its loops take eight numbers
  at once, and the exponentials of another library would round differently.
- Threads share a `prange` loop where arrays are large.
- An inner function is compiled for each combination of types, and a constant or the unsigned index
  of a `prange` is a type of its own. `np.int64` makes them the int64 of other callers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba

from nn.ops.numba.capture.cutting import Cut, rows
from nn.ops.numba.threads import POOL
from nn.ops.recording import here

try:
    from nn.ops.numba.cache import keep_on_disk
except ImportError:  # a version of Numba with another cache: each process compiles for itself

    def keep_on_disk(
        dispatcher: Any, function: Callable[..., Any], options: dict[str, Any]
    ) -> None:
        """Do nothing."""


OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}  # "numpy": x / 0 is infinite
LARGE = 1 << 15  # elements: to wake another thread costs as much as a loop over some ten thousand

Kernel = Callable[..., Any]

# Numba also compiles a wrapper for callers in C, and one for Python, which nobody calls here.
# Without them, a first run of `dcgan` compiles for 0.9 of the time.
NOT_FROM_C = {"no_cfunc_wrapper": True}
NOT_FROM_PYTHON = {**NOT_FROM_C, "no_cpython_wrapper": True}

# becomes part of each calling kernel
inner: Callable[[Kernel], Kernel] = numba.njit(**OPTIONS, **NOT_FROM_PYTHON)


def compiled(parallel: bool = False) -> Callable[[Kernel], Kernel]:
    """Compile a function at its first call, or load its machine code from disk.

    Parameters
    ----------
    parallel : bool
        Whether threads share its `prange` loops.
    """
    options = {**OPTIONS, **NOT_FROM_C, "parallel": parallel}

    def decorate(function: Kernel) -> Kernel:
        dispatcher = numba.njit(**options)(function)
        keep_on_disk(dispatcher, function, options)
        return dispatcher

    return decorate


def both(function: Kernel) -> tuple[Kernel, Kernel]:
    """Return the function compiled for one thread, and compiled for all."""
    double = FunctionType(function.__code__, function.__globals__, function.__name__)
    double.__qualname__ += "_together"  # names the symbols of the machine code
    return compiled()(function), compiled(parallel=True)(double)


def shared(least: int, cut: Cut | None = None) -> Callable[[Kernel], Kernel]:
    """Compile a function that all threads share where its first array is large enough.

    Parameters
    ----------
    least : int
        The fewest elements of that array for which threads share the call.
    cut : Cut, optional
        Says how a program calls it; without, it cannot be part of a program.
    """

    def decorate(function: Kernel) -> Kernel:
        alone, together = both(function)
        passes = cut(alone, names_of(function)) if cut else None

        def call(*arguments: Any) -> Any:
            if here.recorder is not None:
                here.recorder.kernel(passes, arguments)
            if arguments[0].size >= least and POOL.ready():
                return together(*arguments)
            return alone(*arguments)

        return call

    return decorate


def kernel(cut: Cut | None) -> Callable[[Kernel], Kernel]:
    """Compile a function for one thread; see `shared`."""

    def decorate(function: Kernel) -> Kernel:
        alone = compiled()(function)
        passes = cut(alone, names_of(function)) if cut else None

        def call(*arguments: Any) -> Any:
            if here.recorder is not None:
                here.recorder.kernel(passes, arguments)
            return alone(*arguments)

        return call

    return decorate


def shared_kernel(writes: str) -> Callable[[Kernel], Kernel]:
    """Compile a loop over the rows or the elements of the arrays that it writes."""
    return shared(LARGE, rows(writes))


def names_of(function: Kernel) -> tuple[str, ...]:
    """The names of its parameters."""
    return function.__code__.co_varnames[: function.__code__.co_argcount]
