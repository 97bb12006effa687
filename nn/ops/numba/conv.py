"""Convolutions on the CPU's cores, for float32; notation as in nn/ops/numpy/conv.py.

Each thread computes a part of the results, block after block: it fills the block's columns X, which
stay in its own core's cache, and has BLAS multiply them there. Threads meet once in a pass, not
three times a slice, and no image is copied into a frame of zeros. The transposed convolution runs
the other way: X = Y W, and each row of X is added to the pixels of its window. On the layers of
`dcgan` and `conv-clusters`, with two threads, this is 1.5 to 3 times as fast as NumPy's way with
its products shared between the same threads; with one, 1.1 to 2 times.
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64, prange
from numba.types import ExternalFunction, uintp, void

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.fork import IN_BLAS
from nn.ops.numba.compiling import inner, shared
from nn.ops.numba.products import FLOAT32, as_before, calls, one_thread_each, part_of_product
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy import winograd
from nn.ops.numpy.conv import NumpyConv

# of a block's columns: half and twice as much are as fast, with 2 MiB of cache a core
BLOCK_BYTES = 1 << 20
LARGE = 1 << 14  # elements of the images; a smaller layer takes as long as calling another thread
SHORT = 16  # elements; up to here a loop is faster than a call of saxpy

# a loop would check each time that its arrays do not overlap
copy = ExternalFunction("memcpy", uintp(uintp, uintp, uintp))
saxpy = ExternalFunction("byhand_saxpy", void(int64, float32, uintp, int64, uintp, int64))


@inner
def inside_line(column: int, width: int, kw: int, C: int) -> tuple[int, int]:
    """(first, last + 1) of a window's kw C elements from `column` on that lie inside the line."""
    first = min(max(-column, 0), kw) * C
    return first, max(min(width - column, kw) * C, first)


@inner
def address(x: np.ndarray, i: int) -> int:
    """Of element i of a vector of float32."""
    return x.ctypes.data + 4 * i


@inner
def columns_and_windows(
    X: np.ndarray,
    x: np.ndarray,
    first: int,
    n_lines: int,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    add: bool,
) -> None:
    """Each row of X = its window in x, zero outside the image; with add, window += row.

    For n_lines lines of results from `first` on.
    """
    _, H, W, C = x.shape
    (P, Q), (kh, kw), pixels = size, kernel, x.reshape(-1)
    for i in range(n_lines):
        n, p = (first + i) // P, (first + i) % P
        for q in range(Q):
            row, column = X[i * Q + q], q * stride[1] - padding[1]
            begin, end = inside_line(column, W, kw, C)
            for a in range(kh):
                h, to = p * stride[0] + a - padding[0], a * kw * C
                inside, start = 0 <= h < H, ((n * H + h) * W + column) * C
                if not add:
                    for k in range(begin if inside else kw * C):
                        row[to + k] = 0
                    if inside:
                        copy(
                            address(row, to + begin),
                            address(pixels, start + begin),
                            4 * (end - begin),
                        )
                        for k in range(end, kw * C):
                            row[to + k] = 0
                elif inside and end - begin > SHORT:
                    saxpy(
                        end - begin,
                        float32(1),
                        address(row, to + begin),
                        1,
                        address(pixels, start + begin),
                        1,
                    )
                elif inside:
                    for k in range(begin, end):
                        pixels[start + k] += row[to + k]


@shared(LARGE)
def convolve(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    calls: np.ndarray,
) -> None:
    """Y = X W^T + b. columns (parts, rows of a block, kh kw C) is working memory."""
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
def convolve_weight_grad(
    x: np.ndarray,
    dy: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    shares: np.ndarray,
    add: bool,
    dW: np.ndarray,
    calls: np.ndarray,
) -> None:
    """dW = dY^T X, or += with add. shares (parts, K, kh kw C) is working memory."""
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
def convolve_transpose(
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    calls: np.ndarray,
) -> None:
    """X = Y W, added to out's pixels, which start as b."""
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
            part_of_product(
                Y[line * Q :], False, W, False, False, none, X, 0, 0, n_lines * Q, X.shape[1]
            )
            columns_and_windows(X, out, line, n_lines, (P, Q), kernel, stride, padding, True)
    as_before(calls, before)


class NumbaConv(NumpyConv):
    """The kernels above where they fit; Winograd's form, other dtypes and errors are NumPy's."""

    def conv(
        self,
        x: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if not fits(x, W, out, b, len(W)) or winograd.pays(W.shape, stride, padding, out.shape):
            return super().conv(x, W, b, stride, padding, out=out)
        columns, (W_, b_) = self._blocks_of_columns(out, W), _weights(W, b)
        with IN_BLAS.lock:
            convolve(x, W_, b_, W.shape[1:3], stride, padding, columns, out, calls)
        return out

    def conv_weight_grad(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
        add: bool = False,
    ) -> np.ndarray:
        if not fits(x, out, dy) or winograd.pays(out.shape, stride, padding, dy.shape):
            return super().conv_weight_grad(x, dy, stride, padding, out=out, add=add)
        kernel, columns = out.shape[1:3], self._blocks_of_columns(dy, out)
        dW = out.reshape(len(out), -1)
        shares = self.scratch((len(columns), *dW.shape), dW.dtype, "conv.shares")
        with IN_BLAS.lock:
            convolve_weight_grad(x, dy, kernel, stride, padding, columns, shares, add, dW, calls)
        return out

    def conv_transpose(
        self,
        y: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if not fits(out, W, y, b, W.shape[3]) or winograd.pays(W.shape, stride, padding, out.shape):
            return super().conv_transpose(y, W, b, stride, padding, out=out)
        columns, (W_, b_) = self._blocks_of_columns(y, W), _weights(W, b)
        b_ = b_ if b_.size else np.zeros(out.shape[3], out.dtype)
        with IN_BLAS.lock:
            convolve_transpose(y, W_, b_, W.shape[1:3], stride, padding, columns, out, calls)
        return out

    def _blocks_of_columns(self, y: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Working memory of each part: the columns of some lines of y."""
        (N, P, Q, _), width = y.shape, W[0].size
        lines = max(1, BLOCK_BYTES // (Q * width * W.itemsize))
        lines = min(lines, ceil_div(N * P, POOL.parts))
        return self.scratch((POOL.parts, lines * Q, width), W.dtype, "conv.columns")


def _weights(W: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """W as a matrix, and b, or an empty vector for None."""
    return W.reshape(len(W), -1), np.empty(0, W.dtype) if b is None else b


def fits(
    x: np.ndarray, W: np.ndarray, y: np.ndarray, b: np.ndarray | None = None, n: int = 0
) -> bool:
    """Whether the kernels take these arrays: float32, C-contiguous, and of matching shapes.

    x (N, H, W, C), W (K, kh, kw, C), y (N, P, Q, K), b (n,) or None.

    The kernels check nothing. Other arrays go to NumPy, which says what is wrong with them.
    """
    arrays = (x, W, y) if b is None else (x, W, y, b)
    if not BLAS or not len(x) == len(y) > 0 or (b is not None and b.shape != (n,)):
        return False
    if (len(W), W.shape[3]) != (y.shape[3], x.shape[3]):
        return False
    return all(a.dtype == FLOAT32 and a.flags.c_contiguous for a in arrays)
