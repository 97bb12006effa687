"""The parts of the convolutions, for float32; notation as in nn/ops/numpy/conv.py.

The result is cut into parts, one for each thread. A part is computed block by block: the block's
columns X are filled, which stay in the core's own cache, and BLAS multiplies them there. For the
transposed convolution, the other way: X = Y W, and each row of X is added to the pixels of its
window.

Nothing is checked here: see `fits` in nn/ops/numba/conv.py. `columns` is working memory, (parts,
rows of a block, kh kw C).
"""

from __future__ import annotations

import numpy as np
from numba import float32, int64
from numba.types import ExternalFunction, uintp, void

from nn.ops.base import Pair
from nn.ops.numba.compiling import inner
from nn.ops.numba.parts.memory import add_one, copy_four, copy_one
from nn.ops.numba.parts.products import part_of_product

SHORT = 16  # elements; up to here a loop is faster than a call of memcpy or saxpy

copy = ExternalFunction("memcpy", uintp(uintp, uintp, uintp))
saxpy = ExternalFunction("byhand_saxpy", void(int64, float32, uintp, int64, uintp, int64))


def part_of(part: int, parts: int, n: int) -> Pair:
    """(first, last + 1) of the n lines or images that a part takes."""
    share = -(-n // parts)
    return min(part * share, n), min((part + 1) * share, n)


part_of_ = inner(part_of)


@inner
def address(x: np.ndarray, i: int) -> int:
    """The address of element i of a vector of float32."""
    return x.ctypes.data + 4 * i


@inner
def zero(row: np.ndarray) -> None:
    """row = 0."""
    for k in range(row.size):
        row[k] = 0


@inner
def window_line(taps: int, pixels: int, n: int, add: bool) -> None:
    """n taps, at an address, = as many pixels, or pixels += taps with `add`.

    By address, since a loop over arrays checks each time whether they overlap: with one channel,
    the columns of a convolution take 0.6 of their time so.
    """
    if not add and n > SHORT:
        copy(taps, pixels, 4 * n)
    elif not add:
        for k in range(0, n - 3, 4):
            copy_four(taps + 4 * k, pixels + 4 * k)
        for k in range(n - n % 4, n):
            copy_one(taps + 4 * k, pixels + 4 * k)
    elif n > SHORT:
        saxpy(n, float32(1), taps, 1, pixels, 1)
    else:
        for k in range(n):
            add_one(pixels + 4 * k, taps + 4 * k)


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
    """For n_lines lines of results from `first` on: row of X = window of x, zero outside.

    With `add`, the other way: window += row.
    """
    _, H, W, C = x.shape
    (P, Q), (kh, kw), pixels, taps = size, kernel, x.reshape(-1), X.reshape(-1)
    run, width, step = kw * C, kh * kw * C, stride[1] * C
    # the windows q0 .. q1 - 1 lie inside the image's line
    q0 = min(-(-padding[1] // stride[1]), Q)
    q1 = max(min((W - kw + padding[1]) // stride[1] + 1, Q), q0)
    for i in range(n_lines):
        n, p = (first + i) // P, (first + i) % P
        for a in range(kh):
            h, to = p * stride[0] + a - padding[0], i * Q * width + a * run
            line, inside = ((n * H + h) * W - padding[1]) * C, 0 <= h < H
            for q in range(Q):
                if inside and q0 <= q < q1:
                    t, s = address(taps, to + q * width), address(pixels, line + q * step)
                    window_line(t, s, run, add)
                    continue
                column = q * stride[1] - padding[1]
                begin = max(-column, 0) * C if inside else run
                end = max(min(W - column, kw) * C, begin) if inside else run
                if not add:
                    zero(taps[to + q * width : to + q * width + run])
                if begin < end:
                    t, s = to + q * width + begin, line + q * step + begin
                    window_line(address(taps, t), address(pixels, s), end - begin, add)


@inner
def convolve_part(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    part: int,
) -> None:
    """Y = X W^T + b, in a part of the lines."""
    N, P, Q, K = out.shape
    Y, at_once = out.reshape(-1, K), columns.shape[1] // Q
    X, (first, end) = columns[part], part_of_(part, len(columns), N * P)
    for line in range(first, end, at_once):
        n_lines = min(at_once, end - line)
        columns_and_windows(X, x, line, n_lines, (P, Q), kernel, stride, padding, False)
        part_of_product(X, False, W, True, False, b, Y[line * Q :], 0, 0, n_lines * Q, K)


@inner
def weight_grad_part(
    x: np.ndarray,
    dy: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    shares: np.ndarray,
    part: int,
) -> None:
    """shares[part] = dY^T X, over a part of the lines."""
    N, P, Q, K = dy.shape
    dY, at_once, none = dy.reshape(-1, K), columns.shape[1] // Q, shares[0, 0, :0]
    X, (first, end) = columns[part], part_of_(part, len(columns), N * P)
    shares[part] = 0
    for line in range(first, end, at_once):
        n_lines = min(at_once, end - line)
        columns_and_windows(X, x, line, n_lines, (P, Q), kernel, stride, padding, False)
        rows = dY[line * Q : (line + n_lines) * Q]
        part_of_product(rows, True, X, False, True, none, shares[part], 0, 0, K, X.shape[1])


@inner
def add_shares(shares: np.ndarray, add: bool, dW: np.ndarray) -> None:
    """dW = the sum of the parts' shares, or += with `add`."""
    for k in range(len(dW)):
        total, first = dW[k], shares[0, k]
        for i in range(total.size):
            total[i] = total[i] + first[i] if add else first[i]
        for part in range(1, len(shares)):
            share = shares[part, k]
            for i in range(total.size):
                total[i] += share[i]


@inner
def transpose_part(
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    part: int,
) -> None:
    """out = b, then X = Y W is added to the pixels of the windows, in a part of the images."""
    N, P, Q, K = y.shape
    at_once, C = columns.shape[1] // Q, out.shape[3]
    Y, none = y.reshape(-1, K), b[:0]
    X, (begin, end) = columns[part], part_of_(part, len(columns), N)
    for n in range(begin, end):  # whole images, since the windows of two lines overlap
        if C == 1:
            out[n] = b[0]
        else:
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
