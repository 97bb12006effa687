"""Sums over the rows of a matrix, in some of its rows and columns.

The rows are cut into PARTS, each with sums of its own: CHUNK rows are summed in the matrix's dtype,
and these sums in double precision. Over 50,000 rows they are as accurate as over 50. `chunks` and
`sums` are working memory, (PARTS, columns); the sums are 0 before the first part and after `total`.
Loops run over slices, from 0: where Numba cannot exclude a negative index, a loop is ten times as
slow.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nn.ops.base import Pair
from nn.ops.numba.compiling import inner

PARTS = 8  # for any number of threads, so that the sums are the same
CHUNK = 64  # rows


@numba.njit(nogil=True, inline="always")
def rows_of(part: int, n: int) -> tuple[int, int]:
    """(first, last + 1) row of a part."""
    step = -(-n // PARTS)
    return min(n, part * step), min(n, part * step + step)


@inner
def add_squares(
    x: np.ndarray, mean: np.ndarray, rows: Pair, columns: Pair, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i (x[i, j] - mean[j])^2, over some rows and columns."""
    (first, last), (begin, end), width = rows, columns, x.shape[1]
    m, c, s, X = mean[begin:end], chunk[begin:end], sums[begin:end], x.reshape(-1)
    for start in range(first, last, CHUNK):
        for j in range(c.size):
            c[j] = 0
        for i in range(start, min(last, start + CHUNK)):
            x_ = X[i * width + begin : i * width + end]
            for j in range(c.size):
                d = x_[j] - m[j]
                c[j] += d * d
        for j in range(c.size):
            s[j] += c[j]


@inner
def add_rows(
    x: np.ndarray, base: np.ndarray, rows: Pair, columns: Pair, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i (x[i, j] - base[j]), over some rows and columns."""
    (first, last), (begin, end), width = rows, columns, x.shape[1]
    m, c, s, X = base[begin:end], chunk[begin:end], sums[begin:end], x.reshape(-1)
    for start in range(first, last, CHUNK):
        for j in range(c.size):
            c[j] = 0
        for i in range(start, min(last, start + CHUNK)):
            x_ = X[i * width + begin : i * width + end]
            for j in range(c.size):
                c[j] += x_[j] - m[j]
        for j in range(c.size):
            s[j] += c[j]


@inner
def add_products(
    x: np.ndarray, y: np.ndarray, rows: Pair, columns: Pair, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i x[i, j] y[i, j], over some rows and columns."""
    (first, last), (begin, end), width = rows, columns, x.shape[1]
    c, s, X, Y = chunk[begin:end], sums[begin:end], x.reshape(-1), y.reshape(-1)
    for start in range(first, last, CHUNK):
        for j in range(c.size):
            c[j] = 0
        for i in range(start, min(last, start + CHUNK)):
            x_ = X[i * width + begin : i * width + end]
            y_ = Y[i * width + begin : i * width + end]
            for j in range(c.size):
                c[j] += x_[j] * y_[j]
        for j in range(c.size):
            s[j] += c[j]


@inner
def center_and_scale(
    x: np.ndarray,
    mean: np.ndarray,
    inv_std: np.ndarray,
    rows: Pair,
    columns: Pair,
    out: np.ndarray,
) -> None:
    """out = (x - mean) inv_std, in some rows and columns."""
    (begin, end), width = columns, x.shape[1]
    m, v, X, Y = mean[begin:end], inv_std[begin:end], x.reshape(-1), out.reshape(-1)
    for i in range(rows[0], rows[1]):
        x_ = X[i * width + begin : i * width + end]
        y_ = Y[i * width + begin : i * width + end]
        for j in range(m.size):
            y_[j] = (x_[j] - m[j]) * v[j]


@inner
def total(sums: np.ndarray, j: int) -> float:
    """Add up the parts' sums of column j and reset them to 0."""
    together = 0.0
    for part in range(PARTS):
        together += sums[part, j]
        sums[part, j] = 0
    return together


@inner
def set_means(n: int, mean: np.ndarray, columns: Pair, sums: np.ndarray) -> None:
    """mean += sum of the distances from it / n."""
    for j in range(columns[0], columns[1]):
        mean[j] = mean.dtype.type(mean[j] + total(sums, j) / n)


@inner
def set_variances(
    n: int, eps: float, var: np.ndarray, inv_std: np.ndarray, columns: Pair, sums: np.ndarray
) -> None:
    """var = sum of squares / n; inv_std = 1 / sqrt(var + eps)."""
    for j in range(columns[0], columns[1]):
        square = total(sums, j) / n
        var[j] = var.dtype.type(square)
        inv_std[j] = var.dtype.type(1 / math.sqrt(square + eps))


@inner
def set_sums(out: np.ndarray, add: bool, columns: Pair, sums: np.ndarray) -> None:
    """out = sums, or out += sums."""
    for j in range(columns[0], columns[1]):
        out[j] = out.dtype.type((out[j] if add else 0.0) + total(sums, j))
