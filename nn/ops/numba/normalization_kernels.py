"""Kernels for sums over the rows of a matrix and batch normalization.

The rows are cut into PARTS, each with sums of its own: CHUNK rows are summed in the matrix's dtype,
and these sums in double precision. Over 50,000 rows they are as accurate as over 50. `chunks` and
`sums` are working memory, (PARTS, columns); the sums are 0 before and after a kernel.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import prange

from nn.ops.numba.compiling import kernel, shared_kernel

PARTS = 8  # for any number of threads, so that the sums are the same
CHUNK = 64  # rows


@numba.njit(nogil=True, inline="always")
def rows_of(part: int, n: int) -> tuple[int, int]:
    """(first, last + 1) row of a part."""
    step = -(-n // PARTS)
    return min(n, part * step), min(n, part * step + step)


@kernel
def add_squares(
    x: np.ndarray, mean: np.ndarray, first: int, last: int, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i (x[i, j] - mean[j])^2, over rows first..last - 1."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                d = x[i, j] - mean[j]
                chunk[j] += d * d
        for j in range(chunk.size):
            sums[j] += chunk[j]


@kernel
def add_rows(
    x: np.ndarray, base: np.ndarray, first: int, last: int, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i (x[i, j] - base[j]), over rows first..last - 1."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                chunk[j] += x[i, j] - base[j]
        for j in range(chunk.size):
            sums[j] += chunk[j]


@kernel
def add_products(
    x: np.ndarray, y: np.ndarray, first: int, last: int, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += sum_i x[i, j] y[i, j], over rows first..last - 1."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                chunk[j] += x[i, j] * y[i, j]
        for j in range(chunk.size):
            sums[j] += chunk[j]


@kernel
def center_and_scale_kernel(
    x: np.ndarray,
    mean: np.ndarray,
    inv_std: np.ndarray,
    first: int,
    last: int,
    out: np.ndarray,
) -> None:
    for i in range(first, last):
        for j in range(mean.size):
            out[i, j] = (x[i, j] - mean[j]) * inv_std[j]


@kernel
def total(sums: np.ndarray, j: int) -> float:
    """Add up the parts' sums of column j and reset them to 0."""
    together = 0.0
    for part in range(PARTS):
        together += sums[part, j]
        sums[part, j] = 0
    return together


@shared_kernel
def normalize_kernel(
    x: np.ndarray,
    eps: float,
    out: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    inv_std: np.ndarray,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    n, T = len(x), x.dtype.type
    # The first row stands in for the mean: distances from it keep their digits where values are
    # large. A slice assignment would compile Numba's error message, which takes two seconds.
    for j in range(mean.size):
        mean[j] = x[0, j]
    for part in prange(PARTS):
        add_rows(x, mean, *rows_of(part, n), chunks[part], sums[part])
    for j in range(mean.size):
        mean[j] = T(mean[j] + total(sums, j) / n)
    for part in prange(PARTS):
        add_squares(x, mean, *rows_of(part, n), chunks[part], sums[part])
    for j in range(mean.size):
        square = total(sums, j) / n
        var[j] = T(square)
        inv_std[j] = T(1 / math.sqrt(square + eps))
    for part in prange(PARTS):
        center_and_scale_kernel(x, mean, inv_std, *rows_of(part, n), out)


@shared_kernel
def sum_rows_kernel(
    x: np.ndarray,
    out: np.ndarray,
    add: bool,
    zeros: np.ndarray,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    n, T = len(x), x.dtype.type
    for part in prange(PARTS):
        add_rows(x, zeros, *rows_of(part, n), chunks[part], sums[part])
    for j in range(out.size):
        out[j] = T((out[j] if add else 0.0) + total(sums, j))


@shared_kernel
def sum_product_rows_kernel(
    x: np.ndarray, y: np.ndarray, out: np.ndarray, chunks: np.ndarray, sums: np.ndarray
) -> None:
    n, T = len(x), x.dtype.type
    for part in prange(PARTS):
        add_products(x, y, *rows_of(part, n), chunks[part], sums[part])
    for j in range(out.size):
        out[j] = T(total(sums, j))


@shared_kernel
def normalize_backward_kernel(
    dy: np.ndarray,
    xhat: np.ndarray,
    scale: np.ndarray,
    slope: np.ndarray,
    shift: np.ndarray,
    dx: np.ndarray,
) -> None:
    for i in prange(dy.shape[0]):
        for j in range(dy.shape[1]):
            dx[i, j] = (dy[i, j] - (xhat[i, j] * slope[j] + shift[j])) * scale[j]


@shared_kernel
def scale_shift_kernel(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * scale[j] + shift[j]


@shared_kernel
def shift_scale_kernel(x: np.ndarray, shift: np.ndarray, scale: np.ndarray, y: np.ndarray) -> None:
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j]


@shared_kernel
def moving_average_kernel(
    average: np.ndarray, value: np.ndarray, weight: float, scale: float
) -> None:
    T = average.dtype.type
    weight_, scale_ = T(weight), T(scale)
    for i in prange(average.size):
        average[i] += (value[i] * scale_ - average[i]) * weight_
