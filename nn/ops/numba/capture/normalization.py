"""How a program calls the kernels that sum over rows.

Where the columns are many, each part has some of them, in all rows, and no part waits for another.
Otherwise each part has some rows, and a pass of one part adds them up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.ops.base import Pair
from nn.ops.numba.capture.cutting import CACHE_LINE, Part, Passes, ranges
from nn.ops.numba.compiling import inner
from nn.ops.numba.parts.normalization import (
    PARTS,
    add_products,
    add_rows,
    add_squares,
    center_and_scale,
    rows_of,
    set_means,
    set_sums,
    set_variances,
)
from nn.ops.numba.threads import POOL

FEW = 96  # columns


@inner
def first_row(x: np.ndarray, mean: np.ndarray, columns: Pair) -> None:
    """mean = the first row."""
    for j in range(columns[0], columns[1]):
        mean[j] = x[0, j]


@inner
def sum_rows(
    x: np.ndarray,
    base: np.ndarray,
    parts: Pair,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`add_rows` of some parts."""
    for part in range(parts[0], parts[1]):
        add_rows(x, base, rows_of(part, len(x)), columns, chunks[part], sums[part])


@inner
def sum_squares(
    x: np.ndarray,
    mean: np.ndarray,
    parts: Pair,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`add_squares` of some parts."""
    for part in range(parts[0], parts[1]):
        add_squares(x, mean, rows_of(part, len(x)), columns, chunks[part], sums[part])


@inner
def sum_products(
    x: np.ndarray,
    y: np.ndarray,
    parts: Pair,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`add_products` of some parts."""
    for part in range(parts[0], parts[1]):
        add_products(x, y, rows_of(part, len(x)), columns, chunks[part], sums[part])


@inner
def normalize_columns(
    x: np.ndarray,
    eps: float,
    out: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    inv_std: np.ndarray,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`normalize_kernel` in some columns."""
    first_row(x, mean, columns)
    sum_rows(x, mean, (0, PARTS), columns, chunks, sums)
    set_means(len(x), mean, columns, sums)
    sum_squares(x, mean, (0, PARTS), columns, chunks, sums)
    set_variances(len(x), eps, var, inv_std, columns, sums)
    center_and_scale(x, mean, inv_std, (0, len(x)), columns, out)


@inner
def sum_columns(
    x: np.ndarray,
    out: np.ndarray,
    add: bool,
    zeros: np.ndarray,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`sum_rows_kernel` in some columns."""
    sum_rows(x, zeros, (0, PARTS), columns, chunks, sums)
    set_sums(out, add, columns, sums)


@inner
def sum_product_columns(
    x: np.ndarray,
    y: np.ndarray,
    out: np.ndarray,
    columns: Pair,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    """`sum_product_rows_kernel` in some columns."""
    sum_products(x, y, (0, PARTS), columns, chunks, sums)
    set_sums(out, False, columns, sums)


def normalize_passes(args: Any) -> Passes:
    """The passes of `normalize_kernel`."""
    x, eps, out, mean, var, inv_std, chunks, sums = args
    n, (_, C) = len(x), x.shape
    if C > FEW:
        return [
            [
                Part(
                    normalize_columns,
                    (x, eps, out, mean, var, inv_std, (a, b), chunks, sums),
                    [x[:, a:b]],
                    [out[:, a:b], mean[a:b], var[a:b], inv_std[a:b], sums[:, a:b], chunks[:, a:b]],
                )
                for a, b in ranges(C, POOL.parts, CACHE_LINE)
            ]
        ]
    every = 0, C
    center = [
        Part(
            center_and_scale,
            (x, mean, inv_std, (a, b), every, out),
            [x[a:b], mean, inv_std],
            [out[a:b]],
        )
        for a, b in ranges(n, POOL.parts, PARTS)
    ]
    return [
        [Part(first_row, (x, mean, every), [x[:1]], [mean])],
        summed(sum_rows, x, mean, chunks, sums),
        [Part(set_means, (n, mean, every, sums), [sums, mean], [sums, mean])],
        summed(sum_squares, x, mean, chunks, sums),
        [Part(set_variances, (n, eps, var, inv_std, every, sums), [sums], [sums, var, inv_std])],
        center,
    ]


def summed(
    kernel: Any, x: np.ndarray, y: np.ndarray, chunks: np.ndarray, sums: np.ndarray
) -> list[Part]:
    """A pass that adds up the rows of each of PARTS; y is a row, or a matrix like x."""
    found = []
    for a, b in ranges(PARTS, POOL.parts, 1):
        rows = slice(rows_of.py_func(a, len(x))[0], rows_of.py_func(b - 1, len(x))[1])
        y_ = y[rows] if y.ndim == 2 else y
        args = x, y, (a, b), (0, x.shape[1]), chunks, sums
        found.append(Part(kernel, args, [x[rows], y_, sums[a:b]], [chunks[a:b], sums[a:b]]))
    return found


def sum_rows_passes(args: Any) -> Passes:
    """The passes of `sum_rows_kernel`."""
    x, out, add, zeros, chunks, sums = args
    C = x.shape[1]
    if C > FEW:
        return [
            [
                Part(
                    sum_columns,
                    (x, out, add, zeros, (a, b), chunks, sums),
                    [x[:, a:b], out[a:b]],
                    [out[a:b], sums[:, a:b], chunks[:, a:b]],
                )
                for a, b in ranges(C, POOL.parts, CACHE_LINE)
            ]
        ]
    return [
        summed(sum_rows, x, zeros, chunks, sums),
        [Part(set_sums, (out, add, (0, C), sums), [sums, out], [sums, out])],
    ]


def sum_product_rows_passes(args: Any) -> Passes:
    """The passes of `sum_product_rows_kernel`."""
    x, y, out, chunks, sums = args
    C = x.shape[1]
    if C > FEW:
        return [
            [
                Part(
                    sum_product_columns,
                    (x, y, out, (a, b), chunks, sums),
                    [x[:, a:b], y[:, a:b]],
                    [out[a:b], sums[:, a:b], chunks[:, a:b]],
                )
                for a, b in ranges(C, POOL.parts, CACHE_LINE)
            ]
        ]
    return [
        summed(sum_products, x, y, chunks, sums),
        [Part(set_sums, (out, False, (0, C), sums), [sums], [sums, out])],
    ]
