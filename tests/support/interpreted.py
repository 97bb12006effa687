"""A pytest plugin for a process with NUMBA_DISABLE_JIT=1, where Numba's kernels are plain Python.

Python checks each index, and coverage tools see the lines. C functions are called through ctypes.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nn.ops.numba import optimizers
from nn.ops.numba.parts import conv as conv_parts
from nn.ops.numba.parts import products as numba_products

int32, int64, float32, pointer = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_size_t
SIGNATURES = {
    "sgemm": (
        None,
        *(int32,) * 3,
        *(int64,) * 3,
        float32,
        pointer,
        int64,
        pointer,
        int64,
        float32,
        pointer,
        int64,
    ),
    "saxpy": (None, int64, float32, pointer, int64, pointer, int64),
    "get_threads": (int32,),
    "set_threads": (int32, int32),
}


def called_from_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with NumPy's numbers converted to Python's, as ctypes requires."""

    def call(*arguments: Any) -> Any:
        return function(*(a.item() if isinstance(a, np.generic) else a for a in arguments))

    return call


functions = {
    name: ctypes.CFUNCTYPE(*types)(getattr(numba_products.BLAS, name))
    for name, types in SIGNATURES.items()
}
functions["copy"], functions["power"] = ctypes.memmove, math.pow
functions["acquire"], functions["release"] = (
    ctypes.pythonapi.PyThread_acquire_lock,
    ctypes.pythonapi.PyThread_release_lock,
)
functions["acquire"].argtypes, functions["release"].argtypes = (pointer, int32), (pointer,)


def floats(address: int, n: int) -> Any:
    """n float32 at an address."""
    return (float32 * n).from_address(address)


def add_one(to: int, source: int) -> None:
    """What `nn.ops.numba.parts.memory.add_one` compiles to."""
    floats(to, 1)[0] += floats(source, 1)[0]


functions["copy_one"] = lambda to, source: ctypes.memmove(to, source, 4)
functions["copy_four"] = lambda to, source: ctypes.memmove(to, source, 16)
functions["add_one"] = add_one
for module in (numba_products, conv_parts, optimizers):
    for name in functions.keys() & vars(module).keys():
        setattr(module, name, called_from_python(functions[name]))
