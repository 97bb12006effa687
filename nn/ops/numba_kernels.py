"""Loops over arrays, compiled by Numba on their first call and kept on disk: one pass over memory where NumPy takes several.

Vectors and matrices are C-contiguous and share one dtype, float32 or float64; numbers come as Python floats and are rounded
to that dtype, as NumPy rounds them. No sum is reassociated and no product contracted into its sum, so each kernel gives
the very bytes of NumPy's chain. Exponentials and logarithms are NumPy's own, between two kernels: its loops take eight numbers
at once, and another library's would round differently.
"""

import math

import numba
import numpy as np


def kernel(function):
    """Compile the function; its machine code is kept on disk where a folder for it can be written, else made anew each time."""
    options = {"nogil": True, "error_model": "numpy"}  # x / 0 is infinite, not an exception
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder: neither beside this file nor in the user's cache
        return numba.njit(**options)(function)


# ---- activations


@kernel
def add_row(y, row):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += row[j]


@kernel
def leaky_relu(x, slope, y):
    slope_ = x.dtype.type(slope)
    for i in range(x.size):
        below = slope_ * x[i]
        y[i] = below if below >= x[i] else x[i]


@kernel
def relu(x, y):
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if zero >= x[i] else x[i]  # a NaN stays


@kernel
def leaky_relu_backward(dy, y, slope):
    T = dy.dtype.type
    below = T(slope)
    above = T(1 - slope) + below  # NumPy's way to 1
    for i in range(dy.size):
        dy[i] *= above if y[i] > 0 else below


@kernel
def tanh_backward(dy, y):
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dy[i] *= one - y[i] * y[i]


@kernel
def minus_abs(x, y):
    for i in range(x.size):
        y[i] = -abs(x[i])


@kernel
def sigmoid(x, tail):
    one = x.dtype.type(1)
    for i in range(x.size):
        tail[i] = (one if x[i] >= 0 else tail[i]) / (tail[i] + one)


@kernel
def sigmoid_backward(dy, tail, tiny):
    T = dy.dtype.type
    one, tiny_ = T(1), T(tiny)
    for i in range(dy.size):
        onward = tail[i] + one
        dy[i] *= tail[i] / (onward * onward) + tiny_


# ---- losses


@kernel
def bce_with_logits(z, target, scale, tail, dz, each):
    T = z.dtype.type
    zero, one, target_, scale_ = T(0), T(1), T(target), T(scale)
    for i in range(z.size):
        s = tail[i] / (tail[i] + one)
        sign = zero if math.copysign(one, z[i]) < 0 else one
        dz[i] = ((sign - target_) - math.copysign(s, z[i])) * scale_
        each[i] = (zero if zero >= z[i] else z[i]) - z[i] * target_


# ---- batch normalisation; features run along the rows


@kernel
def center(x, mean, y, square):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - mean[j]
            square[i, j] = y[i, j] * y[i, j]


@kernel
def scale_rows(y, scale):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] *= scale[j]


@kernel
def scale_shift(x, scale, shift, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * scale[j] + shift[j]


@kernel
def shift_scale(x, shift, scale, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j]


@kernel
def normalize_backward(dy, xhat, scale, slope, shift, dx):
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            dx[i, j] = (dy[i, j] - (xhat[i, j] * slope[j] + shift[j])) * scale[j]


# ---- optimizers


@kernel
def moving_average(average, value, weight, scale):
    T = average.dtype.type
    weight_, scale_ = T(weight), T(scale)
    for i in range(average.size):
        average[i] += (value[i] * scale_ - average[i]) * weight_


@kernel
def sgd(value, grad, velocity, rate, momentum, nesterov):
    T = value.dtype.type
    rate_, momentum_ = T(rate), T(momentum)
    for i in range(value.size):
        velocity[i] = velocity[i] * momentum_ + grad[i]
        value[i] -= (velocity[i] * momentum_ + grad[i] if nesterov else velocity[i]) * rate_


@kernel
def rmsprop(value, grad, square, rate, decay, rest, eps):
    T = value.dtype.type
    rate_, decay_, rest_, eps_ = T(rate), T(decay), T(rest), T(eps)
    for i in range(value.size):
        square[i] = square[i] * decay_ + grad[i] * grad[i] * rest_
        value[i] -= grad[i] / (math.sqrt(square[i]) + eps_) * rate_


@kernel
def adam(value, grad, m, v, keep, rate, beta1, beta2, eps):
    T = value.dtype.type
    keep_, rate_, beta1_, beta2_, eps_ = T(keep), T(rate), T(beta1), T(beta2), T(eps)
    for i in range(value.size):
        m[i] = m[i] * beta1_ + grad[i]
        v[i] = v[i] * beta2_ + grad[i] * grad[i]
        value[i] = value[i] * keep_ - m[i] / (math.sqrt(v[i]) + eps_) * rate_


# ---- images


@kernel
def gather_rows(bytes_, index, scale, shift, out):
    T = out.dtype.type
    scale_, shift_, last = T(scale), T(shift), len(bytes_) - 1
    for i in range(len(index)):
        row = bytes_[min(max(index[i], 0), last)]
        for j in range(out.shape[1]):
            out[i, j] = T(row[j]) * scale_ + shift_


# ---- random numbers


@kernel
def sfc64(state, words):
    """Doty-Humphrey's SFC64 as NumPy steps it: the same words, and the same state afterwards."""
    a, b, c, counter = state[0], state[1], state[2], state[3]
    for i in range(words.size):
        word = a + b + counter
        counter += np.uint64(1)
        a = b ^ (b >> np.uint64(11))
        b = c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
        words[i] = word
    state[0], state[1], state[2], state[3] = a, b, c, counter


@kernel
def dropout_mask(draws, k, scale, mask):
    T = mask.dtype.type
    zero, scale_ = T(0), T(scale)
    for i in range(mask.size):
        mask[i] = scale_ if draws[i] >= k else zero
