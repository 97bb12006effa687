"""The column matrices of a convolution, slice by slice of the batch; notation as in conv.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.scratch import Scratch

# of the columns of a slice: 1 and 2 MiB are best, 4 and 8 up to a third slower, with 1 MiB of L2
COLUMN_BYTES = 2 << 20
MIN_ROWS = 512  # of a product, however large its columns are: BLAS is slow on fewer
FEW = 4  # channels, up to which columns are copied tap by tap

Slices = Iterator[tuple[slice, np.ndarray]]  # (slice of the batch, its columns or padded images)


def column_slices(
    scratch: Scratch, x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, size: Pair
) -> Slices:
    """Yield (slice of the batch, its columns X), where each X overwrites the previous one."""
    (kh, kw), (sh, sw), (ph, pw), (P, Q) = kernel, stride, padding, size
    _, H, W, C = x.shape
    frame = H + 2 * ph, W + 2 * pw
    for part, padded in padded_slices(scratch, x, (ph, pw), frame, P * Q, kh * kw * C):
        if C <= FEW:
            n, h, w, c = padded.strides
            shape = kh, kw, C, len(padded), P, Q
            taps = as_strided(padded, shape, (h, w, c, n, h * sh, w * sw))
            columns = scratch(shape, x.dtype, "conv.columns")
            np.copyto(columns, taps)
            yield part, columns.reshape(kh * kw * C, -1).T
        else:
            columns = scratch((len(padded), P, Q, kh, kw * C), x.dtype, "conv.columns")
            copy_windows(padded, (sh, sw), out=columns)
            yield part, columns.reshape(-1, kh * kw * C)


def padded_slices(
    scratch: Scratch, x: np.ndarray, before: Pair, size: Pair, rows: int, width: int
) -> Slices:
    """Yield (slice of the batch, its images in a frame of zeros).

    An image lies in a frame of this size, `before` rows and columns from its corner. It has columns
    of shape (rows, width), which determine how many images a slice takes.
    """
    (top, left), (N, H, W, C) = before, x.shape
    slices = batch_slices(N, rows, width, x.itemsize)
    frame = scratch((slices[0].stop, *size, C), x.dtype, "conv.padded")
    frame.fill(0)
    for part in slices:
        padded = frame[: part.stop - part.start]
        np.copyto(padded[:, top : top + H, left : left + W], x[part])
        yield part, padded


def batch_slices(n: int, rows: int, width: int, itemsize: int) -> list[slice]:
    """Cut a batch of n into equal slices (the last may be smaller) of about COLUMN_BYTES."""
    at_once = max(1, COLUMN_BYTES // (rows * width * itemsize), ceil_div(MIN_ROWS, rows))
    at_once = ceil_div(n, ceil_div(n, min(n, at_once)))
    return [slice(i, min(i + at_once, n)) for i in range(0, n, at_once)]


def copy_windows(
    x: np.ndarray, stride: Pair, first: Pair = (0, 0), *, out: np.ndarray
) -> np.ndarray:
    """out (N, P, Q, kh, kw C) = the windows of x (N, H, W, C), starting at pixel `first`."""
    (sh, sw), (n, h, w, c) = stride, x.strides
    strides: Any = n, h * sh, w * sw, h, c
    np.copyto(out, as_strided(x[:, first[0] :, first[1] :], out.shape, strides))
    return out
