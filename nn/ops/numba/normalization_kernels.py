"""Kernels for sums over rows and batch normalization; see parts/normalization.py."""

from __future__ import annotations

import numpy as np
from numba import prange

from nn.ops.numba.capture.cutting import as_noted, whole
from nn.ops.numba.capture.normalization import (
    normalize_passes,
    sum_product_rows_passes,
    sum_rows_passes,
)
from nn.ops.numba.compiling import LARGE, inner, kernel, shared, shared_kernel
from nn.ops.numba.parts.normalization import (
    PARTS,
    add_products,
    add_rows,
    add_squares,
    center_and_scale,
    first_row,
    set_means,
    set_sums,
    set_variances,
)


@inner
def only(part: int) -> tuple[np.int64, np.int64]:
    """The range of this part alone, as int64: see nn/ops/numba/compiling.py."""
    return np.int64(part), np.int64(part) + 1


@shared(LARGE, as_noted(normalize_passes))
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
    n, columns = len(x), (np.int64(0), mean.size)
    # The first row stands in for the mean: distances from it keep their digits where values are
    # large.
    first_row(x, mean, columns)
    for part in prange(PARTS):
        add_rows(x, mean, only(part), columns, chunks, sums)
    set_means(n, mean, sums, columns)
    for part in prange(PARTS):
        add_squares(x, mean, only(part), columns, chunks, sums)
    set_variances(n, eps, var, inv_std, sums, columns)
    for part in prange(PARTS):
        center_and_scale(x, mean, inv_std, out, only(part), columns)


@shared(LARGE, as_noted(sum_rows_passes))
def sum_rows_kernel(
    x: np.ndarray,
    out: np.ndarray,
    add: bool,
    zeros: np.ndarray,
    chunks: np.ndarray,
    sums: np.ndarray,
) -> None:
    columns = np.int64(0), out.size
    for part in prange(PARTS):
        add_rows(x, zeros, only(part), columns, chunks, sums)
    set_sums(out, add, sums, columns)


@shared(LARGE, as_noted(sum_product_rows_passes))
def sum_product_rows_kernel(
    x: np.ndarray, y: np.ndarray, out: np.ndarray, chunks: np.ndarray, sums: np.ndarray
) -> None:
    columns = np.int64(0), out.size
    for part in prange(PARTS):
        add_products(x, y, only(part), columns, chunks, sums)
    set_sums(out, False, sums, columns)


@shared_kernel("dx")
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


@shared_kernel("y")
def scale_shift_kernel(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, y: np.ndarray) -> None:
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * scale[j] + shift[j]


@shared_kernel("y")
def shift_scale_kernel(x: np.ndarray, shift: np.ndarray, scale: np.ndarray, y: np.ndarray) -> None:
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j]


@shared_kernel("average")
def moving_average_kernel(
    average: np.ndarray, value: np.ndarray, weight: float, scale: float
) -> None:
    T = average.dtype.type
    weight_, scale_ = T(weight), T(scale)
    for i in prange(average.size):
        average[i] += (value[i] * scale_ - average[i]) * weight_


@kernel(whole("slope shift scale"))
def backward_rows_kernel(
    n: int,
    W: np.ndarray,
    inv_std: np.ndarray,
    dW: np.ndarray,
    db: np.ndarray,
    slope: np.ndarray,
    shift: np.ndarray,
    scale: np.ndarray,
) -> None:
    n_ = W.dtype.type(n)
    for j in range(W.size):
        slope[j] = dW[j] / n_
        shift[j] = db[j] / n_
        scale[j] = W[j] * inv_std[j]


@kernel(whole("wide"))
def tile_kernel(wide: np.ndarray, row: np.ndarray) -> None:
    for i in range(wide.shape[0]):
        for j in range(wide.shape[1]):
            wide[i, j] = row[j]
