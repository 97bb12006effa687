"""Rows of numbers, features or pixels: their check, and the distances between them."""

import numpy as np

from gan.errors import DataError

AT_ONCE = 64  # rows compared with all others at once: 5 MB with 10,000 others, enough for a fast product
SAME = 1e-12  # of the squared lengths: what rounding leaves of the distance between equal rows


def check_rows(name, x, at_least, width=None):
    """x as float64 (N, F). `DataError` unless it is that, finite, with enough rows of the right width."""
    x = np.asarray(x)
    if x.ndim != 2 or x.dtype.kind not in "fui" or width not in (None, x.shape[1]):
        raise DataError(f"{name}: expected numbers of shape (N, {width or 'F'}), got {x.dtype} {x.shape}")
    if len(x) < at_least:
        raise DataError(f"{name}: expected at least {at_least} rows, got {len(x)}")
    if not np.isfinite(x).all():
        raise DataError(f"{name}: expected finite numbers, got NaN or infinity")
    return x.astype(np.float64)


def distance_blocks(x, y, progress=None):
    """Yield (rows, d): a slice of x's rows, and the squared distances of these to all rows of y, float64 (rows, M).

    d_ij = |x_i|^2 + |y_j|^2 - 2 x_i.y_j, one product for all; x and y are float64. Rows that are equal are at 0 exactly.
    progress(n) is called as the caller is done with n more rows.
    """
    doubled = -2 * y.T
    x_squares, y_squares = (x * x).sum(axis=1), (y * y).sum(axis=1)
    for i in range(0, len(x), AT_ONCE):
        rows = slice(i, min(i + AT_ONCE, len(x)))
        d = x[rows] @ doubled
        d += x_squares[rows, None]
        d += y_squares
        d[d < SAME * (x_squares[rows].max() + y_squares.max())] = 0
        yield rows, d
        if progress:
            progress(rows.stop - rows.start)
