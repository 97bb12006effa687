"""How a program calls the kernels that sum over rows.

Where the columns are many, each part has some of them, in all rows, and no part waits for another.
Otherwise each part has some rows, and what follows from their sums waits for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.ops.numba.capture.cutting import CACHE_LINE, Arguments, Part, Passes, ranges
from nn.ops.numba.parts.normalization import (
    PARTS,
    add_products,
    add_rows,
    add_squares,
    center_and_scale,
    first_row,
    rows_of,
    set_means,
    set_sums,
    set_variances,
)
from nn.ops.numba.threads import POOL

FEW = 96  # columns

Range = tuple[int, int]  # first, last + 1


def column_ranges(C: int) -> list[Range]:
    """The columns of each part."""
    return ranges(C, POOL.parts, CACHE_LINE) if C > FEW else [(0, C)]


def pieces(x: np.ndarray) -> list[tuple[Range, Range, slice, slice]]:
    """(PARTS, columns) of each part of a pass over a matrix, and these rows and columns."""
    found = []
    for parts in [(0, PARTS)] if x.shape[1] > FEW else ranges(PARTS, POOL.parts, 1):
        rows = rows_of.py_func(parts[0], len(x))[0], rows_of.py_func(parts[1] - 1, len(x))[1]
        found += [(parts, c, slice(*rows), slice(*c)) for c in column_ranges(x.shape[1])]
    return found


def summing(
    kernel: Any, x: np.ndarray, y: np.ndarray, chunks: np.ndarray, sums: np.ndarray
) -> list[Part]:
    """A pass of an adder; y is a row, or a matrix like x."""
    found = []
    for parts, columns, rows, c in pieces(x):
        work = [each[slice(*parts), c] for each in (chunks, sums)]
        reads = [x[rows, c], y[rows, c] if y.ndim == 2 else y[c], *work]
        found.append(Part(kernel, (x, y, parts, columns, chunks, sums), reads, work))
    return found


def setting(
    kernel: Any, args: Arguments, reads: list[np.ndarray], writes: list[np.ndarray]
) -> list[Part]:
    """A pass of a kernel that takes rows; its last argument are the columns."""
    return [
        Part(kernel, (*args, (a, b)), [x[..., a:b] for x in reads], [x[..., a:b] for x in writes])
        for a, b in column_ranges(writes[0].shape[-1])
    ]


def normalize_passes(args: Any) -> Passes:
    """The passes of `normalize_kernel`."""
    x, eps, out, mean, var, inv_std, chunks, sums = args
    n = len(x)
    centering = [
        Part(
            center_and_scale,
            (x, mean, inv_std, out, parts, columns),
            [x[rows, c], mean[c], inv_std[c]],
            [out[rows, c]],
        )
        for parts, columns, rows, c in pieces(x)
    ]
    return [
        setting(first_row, (x, mean), [x[:1]], [mean]),
        summing(add_rows, x, mean, chunks, sums),
        setting(set_means, (n, mean, sums), [mean, sums], [mean, sums]),
        summing(add_squares, x, mean, chunks, sums),
        setting(set_variances, (n, eps, var, inv_std, sums), [sums], [var, inv_std, sums]),
        centering,
    ]


def sum_rows_passes(args: Any) -> Passes:
    """The passes of `sum_rows_kernel`."""
    x, out, add, zeros, chunks, sums = args
    return [
        summing(add_rows, x, zeros, chunks, sums),
        setting(set_sums, (out, add, sums), [out, sums], [out, sums]),
    ]


def sum_product_rows_passes(args: Any) -> Passes:
    """The passes of `sum_product_rows_kernel`."""
    x, y, out, chunks, sums = args
    return [
        summing(add_products, x, y, chunks, sums),
        setting(set_sums, (out, False, sums), [sums], [out, sums]),
    ]
