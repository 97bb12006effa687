"""Passes of a program over arrays with gaps, which NumPy takes where Python calls.

The arrays have four axes; see `four_axes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.ops.numba.capture.cutting import Passes, rows
from nn.ops.numba.compiling import compiled
from nn.ops.recording import here


@compiled()
def copy_kernel(x: np.ndarray, y: np.ndarray) -> None:
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for k in range(y.shape[3]):
                    y[n, i, j, k] = x[n, i, j, k]


@compiled()
def add_kernel(x: np.ndarray, y: np.ndarray) -> None:
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for k in range(y.shape[3]):
                    y[n, i, j, k] += x[n, i, j, k]


@compiled()
def multiply_kernel(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    for n in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for k in range(out.shape[3]):
                    out[n, i, j, k] = x[n, i, j, k] * y[n, i, j, k]


@compiled()
def leaky_relu_backward_kernel(y: np.ndarray, slope: float, dy: np.ndarray) -> None:
    T = dy.dtype.type
    below = T(slope)
    above = T(1 - slope) + below  # with the rounding of NumPy's chain of operations
    for n in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                for k in range(dy.shape[3]):
                    dy[n, i, j, k] *= above if y[n, i, j, k] > 0 else below


@compiled()
def relu_backward_kernel(y: np.ndarray, slope: float, dy: np.ndarray) -> None:
    zero = dy.dtype.type(0)
    for n in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                for k in range(dy.shape[3]):
                    dy[n, i, j, k] = dy[n, i, j, k] if y[n, i, j, k] > 0 else zero


@compiled()
def fill_kernel(value: float, x: np.ndarray) -> None:
    value_ = x.dtype.type(value)
    for n in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for k in range(x.shape[3]):
                    x[n, i, j, k] = value_


KERNELS = {
    "copy": rows("y")(copy_kernel, ("x", "y")),
    "add": rows("y")(add_kernel, ("x", "y")),
    "multiply": rows("out")(multiply_kernel, ("x", "y", "out")),
    "leaky_relu_backward": rows("dy")(leaky_relu_backward_kernel, ("y", "slope", "dy")),
    "relu_backward": rows("dy")(relu_backward_kernel, ("y", "slope", "dy")),
    "fill": rows("x")(fill_kernel, ("value", "x")),
}


def note(name: str, *args: Any) -> None:
    """Tell a recorder, if any, of an operation on arrays; the last is written."""
    if here.recorder is not None:
        here.recorder.kernel(strided_passes, (name, *args))


def strided_passes(args: Any) -> Passes | None:
    """The pass of an operation, or None if the arrays do not fit it."""
    name, *given = args
    *_, out = given
    arrays = [x for x in given if isinstance(x, np.ndarray)]
    if out.ndim > 4 or any(x.dtype != out.dtype for x in arrays) or out.dtype.kind != "f":
        return None
    if any(x.ndim != out.ndim for x in arrays):
        return None
    fits = [np.broadcast_to(x, out.shape) if isinstance(x, np.ndarray) else x for x in given]
    fits[-1] = out  # as it was: a broadcast array cannot be written
    return KERNELS[name](tuple(four_axes(fits)))


def four_axes(given: list[Any]) -> list[Any]:
    """The arrays with four axes, the first as it was; numbers as floats.

    Neighbouring axes become one where no array has a gap between them: a longer inner loop halves
    the time of a pass between the two memory orders of 7x7 images.
    """
    arrays = [x for x in given if isinstance(x, np.ndarray)]
    shape, strides = list(arrays[-1].shape), [list(x.strides) for x in arrays]
    for i in range(len(shape) - 2, 0, -1):
        if all(each[i] == each[i + 1] * shape[i + 1] for each in strides):
            shape[i : i + 2] = [shape[i] * shape[i + 1]]
            for each in strides:
                del each[i]
    while len(shape) < 4:
        at = 1 if len(shape) > 1 else 0
        shape.insert(at, 1)
        for each in strides:
            each.insert(at, 0)
    views = iter([as_strided(x, shape, each) for x, each in zip(arrays, strides)])
    return [next(views) if isinstance(x, np.ndarray) else float(x) for x in given]
