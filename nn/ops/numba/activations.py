"""Activations on the CPU, compiled: one pass over memory instead of several."""

from __future__ import annotations

import numpy as np
from numba import prange

from nn.ops.numba.arrays import flat
from nn.ops.numba.capture.c_functions import call_ufunc
from nn.ops.numba.capture.cutting import rows
from nn.ops.numba.capture.strided import note
from nn.ops.numba.compiling import kernel, shared_kernel
from nn.ops.numpy.activations import NumpyActivations, least_slope
from nn.ops.numpy.blocks import blocks
from nn.ops.recording import aside


@shared_kernel("y")
def leaky_relu_kernel(x: np.ndarray, slope: float, y: np.ndarray) -> None:
    slope_ = x.dtype.type(slope)
    for i in prange(x.size):
        below = slope_ * x[i]
        y[i] = below if below >= x[i] else x[i]


@shared_kernel("y")
def relu_kernel(x: np.ndarray, y: np.ndarray) -> None:
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if zero >= x[i] else x[i]  # NaN stays NaN


@shared_kernel("dy")
def relu_backward_kernel(dy: np.ndarray, y: np.ndarray) -> None:
    zero = dy.dtype.type(0)
    for i in prange(dy.size):
        dy[i] = dy[i] if y[i] > 0 else zero


@shared_kernel("dy")
def leaky_relu_backward_kernel(dy: np.ndarray, y: np.ndarray, slope: float) -> None:
    T = dy.dtype.type
    below = T(slope)
    above = T(1 - slope) + below  # 1, with the rounding of NumPy's chain of operations
    for i in prange(dy.size):
        dy[i] *= above if y[i] > 0 else below


@shared_kernel("dy")
def tanh_backward_kernel(dy: np.ndarray, y: np.ndarray) -> None:
    one = dy.dtype.type(1)
    for i in prange(dy.size):
        dy[i] *= one - y[i] * y[i]


@shared_kernel("out")
def multiply_kernel(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    for i in prange(x.size):
        out[i] = x[i] * y[i]


# on one thread, like NumPy's exponential after it: fetching half of y from another core is slower
@kernel(rows("y"))
def minus_abs_kernel(x: np.ndarray, y: np.ndarray) -> None:
    for i in range(x.size):
        y[i] = -abs(x[i])


@kernel(rows("tail"))
def sigmoid_kernel(x: np.ndarray, tail: np.ndarray) -> None:
    """tail = sigmoid(x), given tail = exp(-|x|)."""
    one = x.dtype.type(1)
    for i in range(x.size):
        tail[i] = (one if x[i] >= 0 else tail[i]) / (tail[i] + one)


@kernel(rows("dy"))
def sigmoid_backward_kernel(dy: np.ndarray, tail: np.ndarray, least: float) -> None:
    """dy *= sigmoid'(x), given tail = exp(-|x|)."""
    T = dy.dtype.type
    one, least_ = T(1), T(least)
    for i in range(dy.size):
        onward = tail[i] + one
        slope = tail[i] / (onward * onward)
        dy[i] *= least_ if slope < least_ else slope  # NaN stays NaN


class NumbaActivations(NumpyActivations):
    """NumPy computes exponentials and tanh."""

    def leaky_relu(self, x: np.ndarray, slope: float, *, out: np.ndarray) -> np.ndarray:
        if vectors := flat(x, out):
            x_, y_ = vectors
            relu_kernel(x_, y_) if slope == 0 else leaky_relu_kernel(x_, slope, y_)  # 2.3x
            return out
        return super().leaky_relu(x, slope, out=out)

    def leaky_relu_backward_(self, dy: np.ndarray, y: np.ndarray, slope: float) -> np.ndarray:
        if vectors := flat(dy, y):
            if slope == 0:
                relu_backward_kernel(*vectors)
            else:
                leaky_relu_backward_kernel(*vectors, slope)  # 5.7x
            return dy
        note("leaky_relu_backward" if slope else "relu_backward", y, slope, dy)
        return aside(super().leaky_relu_backward_, dy, y, slope)

    def tanh(self, x: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        if vectors := flat(x, out):
            call_ufunc(np.tanh, *vectors)
            return out
        return super().tanh(x, out=out)

    def multiply(self, x: np.ndarray, y: np.ndarray | float, *, out: np.ndarray) -> np.ndarray:
        if not isinstance(y, np.ndarray):
            return super().multiply(x, y, out=out)
        if vectors := flat(x, y, out):
            multiply_kernel(*vectors)
            return out
        note("multiply", x, y, out)
        return np.multiply(x, y, out=out)

    def tanh_backward_(self, dy: np.ndarray, y: np.ndarray) -> np.ndarray:
        if vectors := flat(dy, y):
            tanh_backward_kernel(*vectors)  # 4.7x
            return dy
        return super().tanh_backward_(dy, y)

    def sigmoid(self, x: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        if vectors := flat(x, out):
            for x_, y_ in blocks(*vectors):
                minus_abs_kernel(x_, y_)
                call_ufunc(np.exp, y_, y_)
                sigmoid_kernel(x_, y_)
            return out
        return super().sigmoid(x, out=out)

    def sigmoid_backward_(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        if vectors := flat(dy, x):
            for dy_, x_ in blocks(*vectors):
                sigmoid_backward_kernel(dy_, self.exp_minus_abs(x_), least_slope(x.dtype))
            return dy
        return super().sigmoid_backward_(dy, x)

    def exp_minus_abs(self, x: np.ndarray) -> np.ndarray:
        if not x.flags.c_contiguous:
            return super().exp_minus_abs(x)
        tail = self.scratch(x.shape, x.dtype, "tail")
        minus_abs_kernel(x.reshape(-1), tail.reshape(-1))
        return call_ufunc(np.exp, tail, tail)
