"""Max pooling on the CPU, compiled; shapes as in nn/ops/base/pooling.py.

A thread takes whole lines of images. The innermost loop runs over channels, which are next to each
other in memory.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from nn.ops.base import Pair
from nn.ops.numba.arrays import FLOATS
from nn.ops.numba.compiling import LARGE, inner, shared
from nn.ops.numpy.pooling import NumpyPooling

BYTE = np.dtype("uint8")


@inner
def taps_inside(start: int, size: int, kernel: int) -> tuple[int, int]:
    """(first, last + 1) tap that is inside the image for a window from pixel `start` on."""
    return max(-start, 0), min(size - start, kernel)


@shared(LARGE)
def max_pool_kernel(
    x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, y: np.ndarray, winner: np.ndarray
) -> None:
    (_, H, W, C), (N, P, Q, _) = x.shape, y.shape
    for line in prange(N * P):
        n, p = line // P, line % P
        top = p * stride[0] - padding[0]
        first_i, last_i = taps_inside(top, H, kernel[0])
        for q in range(Q):
            left = q * stride[1] - padding[1]
            first_j, last_j = taps_inside(left, W, kernel[1])
            for c in range(C):
                y[n, p, q, c] = -np.inf
                winner[n, p, q, c] = first_i * kernel[1] + first_j
            for i in range(first_i, last_i):
                for j in range(first_j, last_j):
                    tap = np.uint8(i * kernel[1] + j)
                    for c in range(C):
                        v, best = x[n, top + i, left + j, c], y[n, p, q, c]
                        larger = v > best or v != v  # a NaN wins over everything before it
                        y[n, p, q, c] = v if larger else best
                        winner[n, p, q, c] = tap if larger else winner[n, p, q, c]


@shared(LARGE)
def max_pool_backward_kernel(
    dx: np.ndarray, dy: np.ndarray, winner: np.ndarray, kernel: Pair, stride: Pair, padding: Pair
) -> None:
    (N, H, W, C), (_, P, Q, _) = dx.shape, dy.shape
    for line in prange(N * H):
        n, h = line // H, line % H
        for w in range(W):
            for c in range(C):
                dx[n, h, w, c] = 0
            for i in range(kernel[0]):
                p, rest = divmod(h + padding[0] - i, stride[0])
                if rest or not 0 <= p < P:
                    continue
                for j in range(kernel[1]):
                    q, rest = divmod(w + padding[1] - j, stride[1])
                    if rest or not 0 <= q < Q:
                        continue
                    tap = i * kernel[1] + j
                    for c in range(C):
                        if winner[n, p, q, c] == tap:
                            dx[n, h, w, c] += dy[n, p, q, c]


class NumbaPooling(NumpyPooling):
    """NumPy takes the other pools, and arrays that do not fit the kernels."""

    def max_pool(
        self,
        x: np.ndarray,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
        winner: np.ndarray,
    ) -> np.ndarray:
        if not fits(x, out, winner):
            return super().max_pool(x, kernel, stride, padding, out=out, winner=winner)
        max_pool_kernel(x, kernel, stride, padding, out, winner)
        return out

    def max_pool_backward(
        self,
        dy: np.ndarray,
        winner: np.ndarray,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if not fits(out, dy, winner):
            return super().max_pool_backward(dy, winner, kernel, stride, padding, out=out)
        max_pool_backward_kernel(out, dy, winner, kernel, stride, padding)
        return out


def fits(images: np.ndarray, results: np.ndarray, winner: np.ndarray) -> bool:
    """Whether the kernels take these: C-contiguous, of one float dtype and of matching shapes."""
    return (
        images.dtype == results.dtype
        and images.dtype in FLOATS
        and winner.dtype == BYTE
        and winner.shape == results.shape
        and (len(images), *images.shape[3:]) == (len(results), *results.shape[3:])
        and all(array.flags.c_contiguous for array in (images, results, winner))
    )
