"""Max pooling on the CPU, compiled."""

from __future__ import annotations

import numpy as np

from nn.ops.base import Pair
from nn.ops.numba.arrays import FLOATS
from nn.ops.numba.pooling_kernels import max_pool_backward_kernel, max_pool_kernel
from nn.ops.numpy.pooling import NumpyPooling

BYTE = np.dtype("uint8")


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
