"""Rows of numbers, features or pixels: their check, and the distances between them."""

import numpy as np

from nn import DataError

AT_ONCE = 64  # rows compared with all others at once: 5 MB with 10,000 others, enough for a fast product
NEAR = 1e-6  # of the squared lengths: a smaller squared distance has lost more than six of sixteen digits to them


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

    d_ij = |x_i|^2 + |y_j|^2 - 2 x_i.y_j, one product for all; x and y are float64. Lengths are measured from the middle of y, the
    median of each feature, which a few far rows do not move. Where d_ij is small beside the lengths, as between rows that are
    equal or both far away, it is the sum of (x_i - y_j)^2 instead. progress(n) is called as the caller is done with n more rows.
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
