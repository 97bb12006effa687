"""Sums over the rows of a matrix and batch normalization, compiled, for several threads.

Each part of the rows has sums of its own: CHUNK rows are summed in the matrix's dtype, and these
sums in double precision. Over 50,000 rows of images they keep the digits that they have over 50.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import prange

from nn.ops.numba.arrays import fits, flat
from nn.ops.numba.compiling import kernel, shared_kernel
from nn.ops.numpy.normalization import FEW, NumpyNormalization

PARTS = 8  # of the rows, for any number of threads, so that the sums are the same
CHUNK = 64  # rows


@numba.njit(nogil=True, inline="always")
def rows_of(part: int, n: int) -> tuple[int, int]:
    """(first, last + 1) of the rows of a part."""
    step = -(-n // PARTS)
    return min(n, part * step), min(n, part * step + step)


@kernel
def add_squares(
    x: np.ndarray, mean: np.ndarray, first: int, last: int, chunk: np.ndarray, sums: np.ndarray
) -> None:
    """sums[j] += the sum of (x[i, j] - mean[j])^2 over these rows."""
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
    """sums[j] += the sum of x[i, j] - base[j] over these rows."""
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
    """sums[j] += the sum of x[i, j] y[i, j] over these rows."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                chunk[j] += x[i, j] * y[i, j]
        for j in range(chunk.size):
            sums[j] += chunk[j]


@kernel
def center_and_scale(
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
    """The parts' sums of column j added up; they are reset to 0."""
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
    """chunks and sums are working memory, (PARTS, columns), the sums all 0."""
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
        center_and_scale(x, mean, inv_std, *rows_of(part, n), out)


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


class NumbaNormalization(NumpyNormalization):
    """Small sums and everything on vectors are NumPy's."""

    def sum_rows(self, x: np.ndarray, *, out: np.ndarray, add: bool = False) -> np.ndarray:
        if len(x) <= FEW or not fits(x, rows=(out,)):
            return super().sum_rows(x, out=out, add=add)
        zeros = self.scratch(out.shape, out.dtype, "zeros")
        zeros.fill(0)
        sum_rows_kernel(x, out, add, zeros, *self._sums(x))
        return out

    def sum_product_rows(self, x: np.ndarray, y: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        if not fits(x, y, rows=(out,)):
            return super().sum_product_rows(x, y, out=out)
        sum_product_rows_kernel(x, y, out, *self._sums(x))
        return out

    def normalize(
        self,
        x: np.ndarray,
        eps: float,
        *,
        out: np.ndarray,
        mean: np.ndarray,
        var: np.ndarray,
        inv_std: np.ndarray,
    ) -> np.ndarray:
        if not fits(x, out, rows=(mean, var, inv_std)):
            return super().normalize(x, eps, out=out, mean=mean, var=var, inv_std=inv_std)
        normalize_kernel(x, eps, out, mean, var, inv_std, *self._sums(x))  # 4x on 12,544 x 64
        return out

    def normalize_backward(
        self,
        dy: np.ndarray,
        xhat: np.ndarray,
        W: np.ndarray,
        inv_std: np.ndarray,
        dW: np.ndarray,
        db: np.ndarray,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if not fits(dy, xhat, out, rows=(W, inv_std, dW, db)):
            return super().normalize_backward(dy, xhat, W, inv_std, dW, db, out=out)
        slope, shift, scale = self._backward_rows(len(dy), W, inv_std, dW, db)
        for matrices, rows in self._wide_blocks([dy, xhat, out], scale, slope, shift):
            dy_, xhat_, dx_ = matrices
            normalize_backward_kernel(dy_, xhat_, *rows, dx_)  # 6.9x
        return out

    def scale_shift(
        self, x: np.ndarray, scale: np.ndarray, shift: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        if not fits(x, out, rows=(scale, shift)):
            return super().scale_shift(x, scale, shift, out=out)
        for (x_, y_), rows in self._wide_blocks([x, out], scale, shift):
            scale_shift_kernel(x_, *rows, y_)  # 4.8x
        return out

    def shift_scale(
        self, x: np.ndarray, shift: np.ndarray, scale: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        if not fits(x, out, rows=(shift, scale)):
            return super().shift_scale(x, shift, scale, out=out)
        for (x_, y_), rows in self._wide_blocks([x, out], shift, scale):
            shift_scale_kernel(x_, *rows, y_)
        return out

    def moving_average_(
        self, average: np.ndarray, value: np.ndarray, weight: float, *, scale: float = 1.0
    ) -> np.ndarray:
        if vectors := flat(average, value):
            moving_average_kernel(*vectors, weight, scale)  # 3.0x
            return average
        return super().moving_average_(average, value, weight, scale=scale)

    def _sums(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(chunks, sums): working memory for sums over x's rows; sums is 0."""
        shape = PARTS, x.shape[1]
        sums = self.scratch(shape, "float64", "sums")
        sums.fill(0)
        return self.scratch(shape, x.dtype, "chunks"), sums
