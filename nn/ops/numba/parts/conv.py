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
from nn.ops.numba.parts.products import part_of_product

SHORT = 16  # elements; up to here a loop is faster than a call of saxpy

# memcpy, since a loop would check each time whether its arrays overlap
copy = ExternalFunction("memcpy", uintp(uintp, uintp, uintp))
saxpy = ExternalFunction("byhand_saxpy", void(int64, float32, uintp, int64, uintp, int64))


@inner
def inside_line(column: int, width: int, kw: int, C: int) -> tuple[int, int]:
    """(first, last + 1) of the kw C elements from `column` on that lie inside the line."""
    first = min(max(-column, 0), kw) * C
    return first, max(min(width - column, kw) * C, first)


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
    for k in range(dW.shape[0]):
        for i in range(dW.shape[1]):
            total = dW[k, i] if add else shares[0, k, i]
            for part in range(0 if add else 1, len(shares)):
                total += shares[part, k, i]
            dW[k, i] = total


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
