"""C functions of NumPy that a program calls without Python, by their addresses.

A ufunc has a loop for each dtype: void loop(char **args, npy_intp *n, npy_intp *steps, void *data).
A generator of random numbers is a struct that NumPy's functions fill arrays from. Both are public:
the struct PyUFuncObject in NumPy's C API, the functions in "Extending" of `numpy.random`. What is
found is tried once; where it does not give NumPy's bytes, a program calls Python.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from nn.ops.numba.capture.cutting import CACHE_LINE, WORTH_A_PART, Part, Passes, ranges
from nn.ops.numba.threads import POOL
from nn.ops.recording import here

# In PyUFuncObject, after Python's own part: nin, nout, nargs, identity, then functions and data
LOOPS = object.__basicsize__ + 16
DATA = LOOPS + 8


class Words(tuple[int, ...]):
    """Four words that a C function is called with, and what must stay alive."""

    held: Any = None


@functools.cache
def loop_of(ufunc: Any, dtype: np.dtype) -> tuple[int, int] | None:
    """(the address of a ufunc's loop from this dtype to itself, its data)."""
    try:
        place = ufunc.types.index(f"{dtype.char}->{dtype.char}")
        arrays = [ctypes.c_size_t.from_address(id(ufunc) + i).value for i in (LOOPS, DATA)]
        loop, data = (
            ctypes.c_size_t.from_address(array + 8 * place).value if array else 0
            for array in arrays
        )
        x = np.linspace(-9, 3, 77, dtype=dtype)
        y = np.empty_like(x)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_size_t] * 4)
        for start, end in ((0, 5), (5, 77)):
            kind(loop)(*loop_words(data, x[start:end], y[start:end]))
        return (loop, data) if np.array_equal(y, ufunc(x)) else None
    except (ValueError, AttributeError):
        return None


def loop_words(data: int, x: np.ndarray, y: np.ndarray) -> Words:
    """The words for a loop over two vectors."""
    block = np.array([x.ctypes.data, y.ctypes.data, x.size, x.itemsize, y.itemsize], np.int64)
    at = block.ctypes.data
    words = Words((at, at + 16, at + 24, data))
    words.held = block, x, y
    return words


def ufunc_passes(args: Any) -> Passes | None:
    """The parts of ``ufunc(x, out=y)``, for vectors."""
    ufunc, x, y = args
    loop = loop_of(ufunc, x.dtype)
    if loop is None:
        return None
    parts = POOL.parts if x.size >= WORTH_A_PART else 1
    return [
        [
            Part(loop[0], loop_words(loop[1], x[a:b], y[a:b]), [x[a:b]], [y[a:b]])
            for a, b in ranges(x.size, parts, CACHE_LINE)
        ]
    ]


def call_ufunc(ufunc: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``ufunc(x, out=y)`` for C-contiguous arrays, for a recorder to see."""
    if here.recorder is not None:
        here.recorder.kernel(ufunc_passes, (ufunc, x.reshape(-1), y.reshape(-1)))
    return ufunc(x, out=y)


FILLS = {  # of numpy.random._generator
    ("normal", "f"): "random_standard_normal_fill_f",
    ("normal", "d"): "random_standard_normal_fill",
    ("uniform", "f"): "random_standard_uniform_fill_f",
    ("uniform", "d"): "random_standard_uniform_fill",
}


@functools.cache
def fill_of(distribution: str, char: str) -> int | None:
    """The address of void fill(bitgen_t *, npy_intp n, T *out)."""
    module: Any = getattr(np.random, "_generator")  # noqa: B009
    try:
        library = ctypes.CDLL(module.__file__)
        address = ctypes.cast(library[FILLS[distribution, char]], ctypes.c_void_p).value or 0
    except (AttributeError, OSError, KeyError):
        return None
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_size_t] * 3)
    first, second = (np.random.Generator(np.random.SFC64(0)) for _ in range(2))
    x = np.empty(99, char)
    kind(address)(first.bit_generator.ctypes.bit_generator.value, x.size, x.ctypes.data)
    draw: Any = second.standard_normal if distribution == "normal" else second.random
    return address if np.array_equal(x, draw(x.size, dtype=x.dtype)) else None


def fill_passes(args: Any) -> Passes | None:
    """The pass that draws an array from a generator; `state` stands for the generator's."""
    distribution, bit_generator, state, out = args
    fill = fill_of(distribution, out.dtype.char)
    if fill is None or state is None:
        return None
    words = Words((bit_generator.ctypes.bit_generator.value, out.size, out.ctypes.data, 0))
    words.held = bit_generator, out
    return [[Part(fill, words, [state], [state, out])]]
