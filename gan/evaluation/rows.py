"""Rows of features or pixels: checking them, and the distances between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from gan.errors import DataError

AT_ONCE = 64  # rows compared with all others at once: 5 MB for 10,000, enough for a fast product
NEAR = 1e-6  # times the squared lengths: a smaller d_ij has lost over six of its sixteen digits


def check_rows(name: str, x: ArrayLike, at_least: int, width: int | None = None) -> np.ndarray:
    """`x` as float64 (N, F); `DataError` unless it is finite and has enough rows of that width."""
    x = np.asarray(x)
    if x.ndim != 2 or x.dtype.kind not in "fui" or width not in (None, x.shape[1]):
        raise DataError(
            f"{name}: expected numbers of shape (N, {width or 'F'}), got {x.dtype} {x.shape}"
        )
    if len(x) < at_least:
        raise DataError(f"{name}: expected at least {at_least} rows, got {len(x)}")
    if not np.isfinite(x).all():
        raise DataError(f"{name}: expected finite numbers, got NaN or infinity")
    return x.astype(np.float64)


def distance_blocks(
    x: np.ndarray, y: np.ndarray, progress: Callable[[int], object] | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the squared distances between rows, a block of rows of x at a time.

    d_ij = |x_i|^2 + |y_j|^2 - 2 x_i.y_j, with one product for a block. Lengths are measured from
    the median of each feature of y, which a few distant rows do not move. Where d_ij is small
    beside the lengths, as for rows that are equal or both far away, it is computed as the sum of
    (x_i - y_j)^2 instead.

    Parameters
    ----------
    x
        float64 (N, F).
    y
        float64 (M, F).
    progress
        Called as progress(n) when the caller is done with n more rows of x.

    Yields
    ------
    rows : slice
        Which rows of x.
    d : ndarray
        Their squared distances to all rows of y, float64 (rows, M).
    """
    middle = np.median(y, axis=0)
    x, y = x - middle, y - middle
    doubled = -2 * y.T
    x_squares, y_squares = (x * x).sum(axis=1), (y * y).sum(axis=1)
    for i in range(0, len(x), AT_ONCE):
        rows = slice(i, min(i + AT_ONCE, len(x)))
        lengths = x_squares[rows, None] + y_squares
        d = x[rows] @ doubled
        d += lengths
        lengths *= NEAR
        near = d < lengths
        for row in np.flatnonzero(near.any(axis=1)):
            columns = np.flatnonzero(near[row])
            d[row, columns] = ((x[i + row] - y[columns]) ** 2).sum(axis=1)
        yield rows, d
        if progress:
            progress(rows.stop - rows.start)
