"""Convolutions on the CPU's cores; notation as in nn/ops/numpy/conv.py, whose place these take for float32.

Each thread takes a part of the results, block after block: it fills the block's columns X, which then lie in its own core's
cache, and has BLAS multiply them there. So the threads meet once a pass, not three times a slice, and no image is copied into
a frame of zeros. The transposed convolution goes the other way: X = Y W, and each row of X is added to the pixels of its
window. On the layers of `dcgan` and `conv-clusters`, with two threads, this is 1.5 to 3 times as fast as NumPy's way with its
products shared between the same threads; with one, 1.1 to 2 times.
"""

import numpy as np
from numba import float32, int64, prange
from numba.types import ExternalFunction, uintp, void

from nn.ops.fork import IN_BLAS
from nn.ops.numba.compiling import inner, shared
from nn.ops.numba.products import FLOAT32, as_before, calls, one_thread_each, part_of_product
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy.conv import NumpyConv

BLOCK_BYTES = 1 << 20  # of one block's columns: half of it and twice as much are as fast, with 2 MiB of cache a core
LARGE = 1 << 14  # numbers in the images; below, the layer takes as long as to call another thread
SHORT = 16  # numbers; to call a function for them takes longer than a loop, which of more is slower

copy = ExternalFunction("memcpy", uintp(uintp, uintp, uintp))  # a loop must find out each time that its arrays do not overlap
saxpy = ExternalFunction("byhand_saxpy", void(int64, float32, uintp, int64, uintp, int64))


@inner
def seen(column, width, kw, C):
    """(first, last): which numbers of a window's line, kw C from that column on, lie inside a line of so many pixels."""
    first = min(max(-column, 0), kw) * C
    return first, max(min(width - column, kw) * C, first)


@inner
def address(x, i):
    """Where the number i of a vector of float32 lies."""
    return x.ctypes.data + 4 * i


@inner
def columns_and_windows(X, x, first, n_lines, size, kernel, stride, padding, add):
    """Between the rows of X, for so many lines of results from that one on, and their windows in the images x: each row becomes
    its window, zero outside the image; or, with add, the window += the row."""
    _, H, W, C = x.shape
    (P, Q), (kh, kw), pixels = size, kernel, x.reshape(-1)
    for i in range(n_lines):
        n, p = (first + i) // P, (first + i) % P
        for q in range(Q):
            row, column = X[i * Q + q], q * stride[1] - padding[1]
            begin, end = seen(column, W, kw, C)
            for a in range(kh):
                h, to = p * stride[0] + a - padding[0], a * kw * C
                inside, start = 0 <= h < H, ((n * H + h) * W + column) * C
                if not add:
                    for k in range(begin if inside else kw * C):
                        row[to + k] = 0
                    if inside:
                        copy(address(row, to + begin), address(pixels, start + begin), 4 * (end - begin))
                        for k in range(end, kw * C):
                            row[to + k] = 0
                elif inside and end - begin > SHORT:
                    saxpy(end - begin, float32(1), address(row, to + begin), 1, address(pixels, start + begin), 1)
                elif inside:
                    for k in range(begin, end):
                        pixels[start + k] += row[to + k]


@shared(LARGE)
def convolve(x, W, b, kernel, stride, padding, columns, out, calls):
    """Y = X W^T + b. columns: (parts, rows of a block, kh kw C)."""
    N, P, Q, K = out.shape
    parts, at_once = len(columns), columns.shape[1] // Q
    Y, share = out.reshape(-1, K), -(-N * P // parts)
    before = one_thread_each(calls)
    for part in prange(parts):
        X, end = columns[part], min((part + 1) * share, N * P)
        for line in range(part * share, end, at_once):
            n_lines = min(at_once, end - line)
            columns_and_windows(X, x, line, n_lines, (P, Q), kernel, stride, padding, False)
            part_of_product(X, False, W, True, False, b, Y[line * Q :], 0, 0, n_lines * Q, K)
    as_before(calls, before)


@shared(LARGE)
def convolve_weight_grad(x, dy, kernel, stride, padding, columns, shares, add, dW, calls):
    """dW = dY^T X, or +=. shares: (parts, K, kh kw C)."""
    N, P, Q, K = dy.shape
    parts, at_once = len(columns), columns.shape[1] // Q
    dY, share, none = dy.reshape(-1, K), -(-N * P // parts), dW[0, :0]
    before = one_thread_each(calls)
    for part in prange(parts):
        X, end = columns[part], min((part + 1) * share, N * P)
        shares[part] = 0
        for line in range(part * share, end, at_once):
            n_lines = min(at_once, end - line)
            columns_and_windows(X, x, line, n_lines, (P, Q), kernel, stride, padding, False)
            rows = dY[line * Q : (line + n_lines) * Q]
            part_of_product(rows, True, X, False, True, none, shares[part], 0, 0, K, X.shape[1])
    as_before(calls, before)
    for k in range(K):
        for i in range(dW.shape[1]):
            total = dW[k, i] if add else shares[0, k, i]
            for part in range(0 if add else 1, parts):
                total += shares[part, k, i]
            dW[k, i] = total


@shared(LARGE)
def convolve_transpose(y, W, b, kernel, stride, padding, columns, out, calls):
    """X = Y W, added to out's pixels, which begin as b."""
    N, P, Q, K = y.shape
    parts, at_once, C = len(columns), columns.shape[1] // Q, out.shape[3]
    Y, share, none = y.reshape(-1, K), -(-N // parts), b[:0]
    before = one_thread_each(calls)
    for part in prange(parts):
        X, begin, end = columns[part], min(part * share, N), min((part + 1) * share, N)
        for n in range(begin, end):  # whole images: windows of two lines overlap
            pixels = out[n].reshape(-1, C)
            for i in range(len(pixels)):
                for c in range(C):
                    pixels[i, c] = b[c]
        for line in range(begin * P, end * P, at_once):
            n_lines = min(at_once, end * P - line)
            part_of_product(Y[line * Q :], False, W, False, False, none, X, 0, 0, n_lines * Q, X.shape[1])
            columns_and_windows(X, out, line, n_lines, (P, Q), kernel, stride, padding, True)
    as_before(calls, before)


class NumbaConv(NumpyConv):
    """`NumpyConv`, with its three primitives by the kernels above where BLAS is at hand for them."""

    def _conv(self, x, W, b, stride, padding, out):
        if not fit(x, W, out, b, len(W)):
            return super()._conv(x, W, b, stride, padding, out)
        columns = self._blocks_of_columns(out, W)
        with IN_BLAS.lock:
            convolve(x, *self._weights(W, b), W.shape[1:3], stride, padding, columns, out, calls)
        return out

    def _conv_weight_grad(self, x, dy, stride, padding, out, add):
        if not fit(x, out, dy):
            return super()._conv_weight_grad(x, dy, stride, padding, out, add)
        columns, dW = self._blocks_of_columns(dy, out), out.reshape(len(out), -1)
        shares = self._scratch((len(columns), *dW.shape), dW.dtype, "conv.shares")
        with IN_BLAS.lock:
            convolve_weight_grad(x, dy, out.shape[1:3], stride, padding, columns, shares, add, dW, calls)
        return out

    def _conv_transpose(self, y, W, b, stride, padding, out):
        if not fit(out, W, y, b, W.shape[3]):
            return super()._conv_transpose(y, W, b, stride, padding, out)
        columns, (W_, b_) = self._blocks_of_columns(y, W), self._weights(W, b)
        b_ = b_ if b_.size else np.zeros(out.shape[3], out.dtype)
        with IN_BLAS.lock:
            convolve_transpose(y, W_, b_, W.shape[1:3], stride, padding, columns, out, calls)
        return out

    def _weights(self, W, b):
        """W as a matrix, and b as the kernels take it."""
        return W.reshape(len(W), -1), np.empty(0, W.dtype) if b is None else b

    def _blocks_of_columns(self, y, W):
        """Working memory of each part: the columns of some lines of y."""
        (N, P, Q, _), width = y.shape, W[0].size
        lines = min(max(1, BLOCK_BYTES // (Q * width * W.itemsize)), -(-N * P // POOL.parts))
        return self._scratch((POOL.parts, lines * Q, width), W.dtype, "conv.columns")


def fit(x, W, y, b=None, n=0):
    """Whether the kernels, which check nothing, take the arrays: x (N, H, W, C), W (K, kh, kw, C), y (N, P, Q, K) and b (n,) or
    None, of float32, in memory as their indices run. NumPy, which gets them if not, says what is wrong with them."""
    arrays = (x, W, y) if b is None else (x, W, y, b)
    belong = len(x) == len(y) > 0 and (len(W), W.shape[3]) == (y.shape[3], x.shape[3]) and (b is None or b.shape == (n,))
    return bool(BLAS) and belong and all(a.dtype == FLOAT32 and a.flags.c_contiguous for a in arrays)
