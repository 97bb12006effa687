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
for module in (numba_products, conv_parts, optimizers):
    for name in functions.keys() & vars(module).keys():
        setattr(module, name, called_from_python(functions[name]))
