"""Kernels of the convolutions, for float32: the parts of parts/conv.py, shared between threads.

`calls` counts the running calls for BLAS, see parts/products.py.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from nn.ops.base import Pair
from nn.ops.numba.capture.conv import convolve_passes, transpose_passes, weight_grad_passes
from nn.ops.numba.capture.cutting import as_noted
from nn.ops.numba.compiling import shared
from nn.ops.numba.parts.conv import add_shares, convolve_part, transpose_part, weight_grad_part
from nn.ops.numba.parts.products import as_before, one_thread_each

LARGE = 1 << 14  # elements of the images; a smaller layer takes as long as waking another thread


@shared(LARGE, as_noted(convolve_passes))
def convolve(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    calls: np.ndarray,
) -> None:
    """Y = X W^T + b."""
    before = one_thread_each(calls)
    for part in prange(len(columns)):
        convolve_part(x, W, b, kernel, stride, padding, columns, out, np.int64(part))
    as_before(calls, before)


@shared(LARGE, as_noted(weight_grad_passes))
def convolve_weight_grad(
    x: np.ndarray,
    dy: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    shares: np.ndarray,
    add: bool,
    dW: np.ndarray,
    calls: np.ndarray,
) -> None:
    """dW = dY^T X, or += with `add`. `shares` is working memory, (parts, K, kh kw C)."""
    before = one_thread_each(calls)
    for part in prange(len(columns)):
        weight_grad_part(x, dy, kernel, stride, padding, columns, shares, np.int64(part))
    as_before(calls, before)
    add_shares(shares, add, dW)


@shared(LARGE, as_noted(transpose_passes))
def convolve_transpose(
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    columns: np.ndarray,
    out: np.ndarray,
    calls: np.ndarray,
) -> None:
    """out = b, then X = Y W is added to the pixels of the windows."""
    before = one_thread_each(calls)
    for part in prange(len(columns)):
        transpose_part(y, W, b, kernel, stride, padding, columns, out, np.int64(part))
    as_before(calls, before)
