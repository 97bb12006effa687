"""Activations on the CPU, compiled: one pass over memory instead of several."""

from __future__ import annotations

import numpy as np
from numba import prange

from nn.ops.base.activations import GELU_A, GELU_C
from nn.ops.numba.arrays import fits, flat
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


@shared_kernel("dy")
def silu_backward_kernel(dy: np.ndarray, y: np.ndarray, s: np.ndarray) -> None:
    for i in prange(dy.size):
        dy[i] *= y[i] - y[i] * s[i] + s[i]


@kernel(rows("u"))
def gelu_argument_kernel(x: np.ndarray, c: float, ca: float, u: np.ndarray) -> None:
    T = x.dtype.type
    c_, ca_ = T(c), T(ca)
    for i in range(x.size):
        u[i] = (x[i] * x[i] * ca_ + c_) * x[i]


@kernel(rows("y"))
def gelu_kernel(x: np.ndarray, t: np.ndarray, y: np.ndarray) -> None:
    half = x.dtype.type(0.5)
    for i in range(x.size):
        y[i] = (t[i] * half + half) * x[i]


@shared_kernel("dy")
def gelu_backward_kernel(
    dy: np.ndarray, x: np.ndarray, t: np.ndarray, c: float, ca3: float
) -> None:
    T = dy.dtype.type
    half, one, c_, ca3_ = T(0.5), T(1), T(c), T(ca3)
    for i in prange(dy.size):
        du = x[i] * x[i] * ca3_ + c_
        dy[i] *= (t[i] * half + half) + du * (one - t[i] * t[i]) * x[i] * half


@kernel(rows("y"))
def minus_maximum_kernel(x: np.ndarray, y: np.ndarray) -> None:
    """y[i] = x[i] - max(x[i]); eight maxima, because each comparison waits for the previous one.

    A NaN may be passed over, but its row is NaN anyway.
    """
    whole = x.shape[1] - x.shape[1] % 8
    for i in range(x.shape[0]):
        a = b = c = d = e = f = g = h = x[i, 0]
        for j in range(0, whole, 8):
            a = x[i, j] if x[i, j] > a else a
            b = x[i, j + 1] if x[i, j + 1] > b else b
            c = x[i, j + 2] if x[i, j + 2] > c else c
            d = x[i, j + 3] if x[i, j + 3] > d else d
            e = x[i, j + 4] if x[i, j + 4] > e else e
            f = x[i, j + 5] if x[i, j + 5] > f else f
            g = x[i, j + 6] if x[i, j + 6] > g else g
            h = x[i, j + 7] if x[i, j + 7] > h else h
        for j in range(whole, x.shape[1]):
            a = x[i, j] if x[i, j] > a else a
        largest = max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - largest


@kernel(rows("y"))
def divide_by_sum_kernel(y: np.ndarray) -> None:
    """y[i] /= sum(y[i])."""
    whole = y.shape[1] - y.shape[1] % 8
    for i in range(y.shape[0]):
        a = b = c = d = e = f = g = h = y.dtype.type(0)
        for j in range(0, whole, 8):
            a += y[i, j]
            b += y[i, j + 1]
            c += y[i, j + 2]
            d += y[i, j + 3]
            e += y[i, j + 4]
            f += y[i, j + 5]
            g += y[i, j + 6]
            h += y[i, j + 7]
        for j in range(whole, y.shape[1]):
            a += y[i, j]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
        for j in range(y.shape[1]):
            y[i, j] /= total


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

    def silu_backward_(self, dy: np.ndarray, y: np.ndarray, s: np.ndarray) -> np.ndarray:
        if vectors := flat(dy, y, s):
            silu_backward_kernel(*vectors)  # 2.1x
            return dy
        return super().silu_backward_(dy, y, s)

    def gelu(self, x: np.ndarray, *, out: np.ndarray, t: np.ndarray) -> np.ndarray:
        if vectors := flat(x, out, t):
            for x_, y_, t_ in blocks(*vectors):
                gelu_argument_kernel(x_, GELU_C, GELU_C * GELU_A, t_)
                call_ufunc(np.tanh, t_, t_)
                gelu_kernel(x_, t_, y_)  # 1.8x, with the tanh
            return out
        return super().gelu(x, out=out, t=t)

    def gelu_backward_(self, dy: np.ndarray, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        if vectors := flat(dy, x, t):
            gelu_backward_kernel(*vectors, GELU_C, GELU_C * (3 * GELU_A))  # 3.6x
            return dy
        return super().gelu_backward_(dy, x, t)

    def softmax(self, x: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        if not fits(x, out) or x.size == 0:
            return super().softmax(x, out=out)
        for x_, y_ in blocks(x, out):
            minus_maximum_kernel(x_, y_)
            call_ufunc(np.exp, y_.reshape(-1), y_.reshape(-1))
            divide_by_sum_kernel(y_)  # 1.6x with the exponential; 4.8x on 64 x 10
        return out

    def exp_minus_abs(self, x: np.ndarray) -> np.ndarray:
        if not x.flags.c_contiguous:
            return super().exp_minus_abs(x)
        tail = self.scratch(x.shape, x.dtype, "tail")
        minus_abs_kernel(x.reshape(-1), tail.reshape(-1))
        return call_ufunc(np.exp, tail, tail)
