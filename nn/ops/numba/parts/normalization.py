"""Sums over the rows of a matrix, in some of its rows and columns.

The rows are cut into PARTS, each with sums of its own: CHUNK rows are summed in the matrix's dtype,
and these sums in double precision. Over 50,000 rows they are as accurate as over 50. `chunks` and
`sums` are working memory, (PARTS, columns); the sums are 0 before the first part and after `total`.
Loops run over slices, from 0: where Numba cannot exclude a negative index, a loop is ten times as
slow.
"""

from __future__ import annotations

import math
from typing import Any

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


def adder(name: str, term: Any, of_matrices: bool) -> Any:
    """A function that adds term(x[i, j], y[i, j]) to sums over i, in some parts and columns.

    If not of_matrices, y is a row. A single column is summed in a register, in a tenth of the time.
    """

    def add(
        x: np.ndarray,
        y: np.ndarray,
        parts: Pair,
        columns: Pair,
        chunks: np.ndarray,
        sums: np.ndarray,
    ) -> None:
        (begin, end), (n, width), X, Y = columns, x.shape, x.reshape(-1), y.reshape(-1)
        for part in range(parts[0], parts[1]):
            first, last = rows_of(part, n)
            c, s = chunks[part, begin:end], sums[part, begin:end]
            for start in range(first, last if width == 1 else 0, CHUNK):
                x_ = X[start : min(last, start + CHUNK)]
                y_, together = Y[start if of_matrices else 0 :], x.dtype.type(0)
                for i in range(x_.size):
                    together += term(x_[i], y_[i if of_matrices else 0])
                s[0] += together
            for start in range(first, last if width > 1 else 0, CHUNK):
                for j in range(c.size):
                    c[j] = 0
                for i in range(start, min(last, start + CHUNK)):
                    x_ = X[i * width + begin : i * width + end]
                    at = i * width if of_matrices else 0
                    y_ = Y[at + begin : at + end]
                    for j in range(c.size):
                        c[j] += term(x_[j], y_[j])
                for j in range(c.size):
                    s[j] += c[j]

    add.__name__ = add.__qualname__ = name  # by which it is kept on disk
    return inner(add)


@inner
def distance(x: float, y: float) -> float:
    """x - y."""
    return x - y


@inner
def squared_distance(x: float, y: float) -> float:
    """(x - y)^2."""
    return (x - y) * (x - y)


@inner
def product(x: float, y: float) -> float:
    """x y."""
    return x * y


add_rows = adder("add_rows", distance, of_matrices=False)
add_squares = adder("add_squares", squared_distance, of_matrices=False)
add_products = adder("add_products", product, of_matrices=True)


@inner
def first_row(x: np.ndarray, mean: np.ndarray, columns: Pair) -> None:
    """mean = the first row of x."""
    for j in range(columns[0], columns[1]):
        mean[j] = x[0, j]


@inner
def center_and_scale(
    x: np.ndarray,
    mean: np.ndarray,
    inv_std: np.ndarray,
    out: np.ndarray,
    parts: Pair,
    columns: Pair,
) -> None:
    """out = (x - mean) inv_std, in some parts and columns."""
    (begin, end), (n, width) = columns, x.shape
    m, v, X, Y = mean[begin:end], inv_std[begin:end], x.reshape(-1), out.reshape(-1)
    for i in range(rows_of(parts[0], n)[0], rows_of(parts[1] - 1, n)[1]):
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
def set_means(n: int, mean: np.ndarray, sums: np.ndarray, columns: Pair) -> None:
    """mean += sum of the distances from it / n."""
    for j in range(columns[0], columns[1]):
        mean[j] = mean.dtype.type(mean[j] + total(sums, j) / n)


@inner
def set_variances(
    n: int, eps: float, var: np.ndarray, inv_std: np.ndarray, sums: np.ndarray, columns: Pair
) -> None:
    """var = sum of squares / n; inv_std = 1 / sqrt(var + eps)."""
    for j in range(columns[0], columns[1]):
        square = total(sums, j) / n
        var[j] = var.dtype.type(square)
        inv_std[j] = var.dtype.type(1 / math.sqrt(square + eps))


@inner
def set_sums(out: np.ndarray, add: bool, sums: np.ndarray, columns: Pair) -> None:
    """out = sums, or out += sums."""
    for j in range(columns[0], columns[1]):
        out[j] = out.dtype.type((out[j] if add else 0.0) + total(sums, j))
