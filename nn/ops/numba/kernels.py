"""Loops over arrays, compiled by Numba on their first call and kept on disk: one pass over memory where NumPy takes several.

Vectors and matrices are C-contiguous and share one dtype, float32 or float64; numbers come as Python floats and are rounded
to that dtype, as NumPy rounds them. No sum is reassociated and no product contracted into its sum, so each kernel gives
the very bytes of NumPy's chain, but for those of the losses, which sum in double precision. Of large arrays, exponentials are
NumPy's own, between two kernels: its loops take eight numbers at once, and another library's would round differently. What a
`prange` counts is shared between threads where arrays are large.
"""

import math

import numpy as np
from numba import prange

from nn.ops.numba.compiling import compiled, shared

LARGE = 1 << 15  # elements; to call another thread takes as long as to go through some ten thousand
kernel, shared_kernel = compiled(), shared(LARGE)  # the second looks at the first array


# ---- activations


@shared_kernel
def add_row(y, row):
    for i in prange(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += row[j]


@shared_kernel
def leaky_relu(x, slope, y):
    slope_ = x.dtype.type(slope)
    for i in prange(x.size):
        below = slope_ * x[i]
        y[i] = below if below >= x[i] else x[i]


@shared_kernel
def relu(x, y):
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if zero >= x[i] else x[i]  # a NaN stays


@shared_kernel
def relu_backward(dy, y):
    zero = dy.dtype.type(0)
    for i in prange(dy.size):
        dy[i] = dy[i] if y[i] > 0 else zero


@shared_kernel
def leaky_relu_backward(dy, y, slope):
    T = dy.dtype.type
    below = T(slope)
    above = T(1 - slope) + below  # NumPy's way to 1
    for i in prange(dy.size):
        dy[i] *= above if y[i] > 0 else below


@shared_kernel
def tanh_backward(dy, y):
    one = dy.dtype.type(1)
    for i in prange(dy.size):
        dy[i] *= one - y[i] * y[i]


@kernel  # for one thread, as NumPy's exponential after it: to fetch half of y from another core takes longer
def minus_abs(x, y):
    for i in range(x.size):
        y[i] = -abs(x[i])


@kernel
def sigmoid(x, tail):
    one = x.dtype.type(1)
    for i in range(x.size):
        tail[i] = (one if x[i] >= 0 else tail[i]) / (tail[i] + one)


@kernel
def sigmoid_backward(dy, tail, least):
    T = dy.dtype.type
    one, least_ = T(1), T(least)
    for i in range(dy.size):
        onward = tail[i] + one
        slope = tail[i] / (onward * onward)
        dy[i] *= least_ if slope < least_ else slope  # a NaN stays


# ---- losses


@kernel
def bce_with_logits(z, target, scale, dz, value):
    """Logits are few: in double precision, a number at a time, in place of eight passes with an array each."""
    T, total = z.dtype.type, 0.0
    for i in range(z.size):
        x = float(z[i])
        e = math.exp(-abs(x))
        s = e / (1 + e)
        dz[i] = T(((1 - target - s) if x >= 0 else s - target) * scale)
        total += (x if x > 0 else 0.0) - x * target + math.log1p(e)
    value[0] = T(total * scale)


@kernel
def mean_sigmoid(z, out):
    total = 0.0
    for i in range(z.size):
        e = math.exp(-abs(float(z[i])))
        total += (1.0 if z[i] >= 0 else e) / (1 + e)
    out[0] = total / z.size


# ---- batch normalisation; features run along the rows


@shared_kernel
def scale_shift(x, scale, shift, y):
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * scale[j] + shift[j]


@shared_kernel
def shift_scale(x, shift, scale, y):
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j]


@shared_kernel
def normalize_backward(dy, xhat, scale, slope, shift, dx):
    for i in prange(dy.shape[0]):
        for j in range(dy.shape[1]):
            dx[i, j] = (dy[i, j] - (xhat[i, j] * slope[j] + shift[j])) * scale[j]


# ---- optimizers


@shared_kernel
def moving_average(average, value, weight, scale):
    T = average.dtype.type
    weight_, scale_ = T(weight), T(scale)
    for i in prange(average.size):
        average[i] += (value[i] * scale_ - average[i]) * weight_


@shared_kernel
def sgd(value, grad, velocity, rate, momentum, nesterov):
    T = value.dtype.type
    rate_, momentum_ = T(rate), T(momentum)
    for i in prange(value.size):
        velocity[i] = velocity[i] * momentum_ + grad[i]
        value[i] -= (velocity[i] * momentum_ + grad[i] if nesterov else velocity[i]) * rate_


@shared_kernel
def rmsprop(value, grad, square, rate, decay, rest, eps):
    T = value.dtype.type
    rate_, decay_, rest_, eps_ = T(rate), T(decay), T(rest), T(eps)
    for i in prange(value.size):
        square[i] = square[i] * decay_ + grad[i] * rest_ * grad[i]
        value[i] -= grad[i] / (math.sqrt(square[i]) + eps_) * rate_


@shared_kernel
def adam(value, grad, m, v, keep, rate, beta1, beta2, rest, eps):
    T = value.dtype.type
    keep_, rate_, beta1_, beta2_, rest_, eps_ = T(keep), T(rate), T(beta1), T(beta2), T(rest), T(eps)
    for i in prange(value.size):
        m[i] = m[i] * beta1_ + grad[i]
        v[i] = v[i] * beta2_ + grad[i] * rest_ * grad[i]
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


@shared_kernel
def dropout_mask(draws, k, scale, mask):
    T = mask.dtype.type
    zero, scale_ = T(0), T(scale)
    for i in prange(mask.size):
        mask[i] = scale_ if draws[i] >= k else zero
