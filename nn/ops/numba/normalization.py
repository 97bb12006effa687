"""Sums over the columns of a matrix, as batch normalisation needs them, compiled: rows are shared between threads.

Each part of the rows has sums of its own, of CHUNK rows in the matrix's dtype, and of these in double precision: over 50,000 rows
of images they keep the digits that they have over 50.
"""

import math

import numba
from numba import prange

from nn.ops.numba.compiling import compiled, shared
from nn.ops.numba.kernels import LARGE

PARTS = 8  # of the rows, whatever the number of threads: the sums are the same
CHUNK = 64  # rows


@numba.njit(nogil=True, inline="always")
def rows_of(part, n):
    """(first, last + 1) of the rows of a part."""
    step = -(-n // PARTS)
    return min(n, part * step), min(n, part * step + step)


@compiled()
def add_squares(x, mean, first, last, chunk, sums):
    """sums[j] += the sum of (x[i, j] - mean[j])^2 over these rows."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                d = x[i, j] - mean[j]
                chunk[j] += d * d
        for j in range(chunk.size):
            sums[j] += chunk[j]


@compiled()
def add_rows(x, base, first, last, chunk, sums):
    """sums[j] += the sum of x[i, j] - base[j] over these rows."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                chunk[j] += x[i, j] - base[j]
        for j in range(chunk.size):
            sums[j] += chunk[j]


@compiled()
def add_products(x, y, first, last, chunk, sums):
    """sums[j] += the sum of x[i, j] y[i, j] over these rows."""
    for start in range(first, last, CHUNK):
        chunk[:] = 0
        for i in range(start, min(last, start + CHUNK)):
            for j in range(chunk.size):
                chunk[j] += x[i, j] * y[i, j]
        for j in range(chunk.size):
            sums[j] += chunk[j]


@compiled()
def center_and_scale(x, mean, inv_std, first, last, out):
    for i in range(first, last):
        for j in range(mean.size):
            out[i, j] = (x[i, j] - mean[j]) * inv_std[j]


@compiled()
def total(sums, j):
    """The parts' sums of column j together; they are 0 again."""
    together = 0.0
    for part in range(PARTS):
        together += sums[part, j]
        sums[part, j] = 0
    return together


@shared(LARGE)
def normalize(x, eps, out, mean, var, inv_std, chunks, sums):
    """As `NumpyNormalization.normalize`; chunks and sums are working memory, (PARTS, columns), the sums all 0."""
    n, T = len(x), x.dtype.type
    mean[:] = x[0]  # until its column's sum is there; what lies beyond it keeps its digits where values are large
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


@shared(LARGE)
def sum_rows(x, out, add, zeros, chunks, sums):
    n, T = len(x), x.dtype.type
    for part in prange(PARTS):
        add_rows(x, zeros, *rows_of(part, n), chunks[part], sums[part])
    for j in range(out.size):
        out[j] = T((out[j] if add else 0.0) + total(sums, j))


@shared(LARGE)
def sum_product_rows(x, y, out, chunks, sums):
    n, T = len(x), x.dtype.type
    for part in prange(PARTS):
        add_products(x, y, *rows_of(part, n), chunks[part], sums[part])
    for j in range(out.size):
        out[j] = T(total(sums, j))
