"""Sums over the rows of a matrix and batch normalization on the CPU, compiled."""

from __future__ import annotations

import numpy as np

from nn.ops.numba.arrays import fits, flat
from nn.ops.numba.normalization_kernels import (
    backward_rows_kernel,
    moving_average_kernel,
    normalize_backward_kernel,
    normalize_kernel,
    scale_shift_kernel,
    shift_scale_kernel,
    sum_product_rows_kernel,
    sum_rows_kernel,
    tile_kernel,
)
from nn.ops.numba.parts.normalization import PARTS
from nn.ops.numpy.blocks import WideBlocks, wide_blocks
from nn.ops.numpy.normalization import FEW, NumpyNormalization

BACKWARD_ROWS = "slope", "shift", "scale"


class NumbaNormalization(NumpyNormalization):
    """NumPy takes small sums and operations on single rows."""

    def sum_rows(self, x: np.ndarray, *, out: np.ndarray, add: bool = False) -> np.ndarray:
        if not fits(x, rows=(out,)):
            return super().sum_rows(x, out=out, add=add)
        if len(x) <= FEW:
            self.product(self.scratch.ones(len(x), x.dtype), x, out=out.reshape(1, -1), add=add)
            return out
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
        slope, shift, scale = (self.scratch(W.shape, W.dtype, name) for name in BACKWARD_ROWS)
        backward_rows_kernel(len(dy), W, inv_std, dW, db, slope, shift, scale)
        for matrices, rows in self._blocks([dy, xhat, out], scale, slope, shift):
            dy_, xhat_, dx_ = matrices
            normalize_backward_kernel(dy_, xhat_, *rows, dx_)  # 6.9x
        return out

    def scale_shift(
        self, x: np.ndarray, scale: np.ndarray, shift: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        if not fits(x, out, rows=(scale, shift)):
            return super().scale_shift(x, scale, shift, out=out)
        for (x_, y_), rows in self._blocks([x, out], scale, shift):
            scale_shift_kernel(x_, *rows, y_)  # 4.8x
        return out

    def shift_scale(
        self, x: np.ndarray, shift: np.ndarray, scale: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        if not fits(x, out, rows=(shift, scale)):
            return super().shift_scale(x, shift, scale, out=out)
        for (x_, y_), rows in self._blocks([x, out], shift, scale):
            shift_scale_kernel(x_, *rows, y_)
        return out

    def moving_average_(
        self, average: np.ndarray, value: np.ndarray, weight: float, *, scale: float = 1.0
    ) -> np.ndarray:
        if vectors := flat(average, value):
            moving_average_kernel(*vectors, weight, scale)  # 3.0x
            return average
        return super().moving_average_(average, value, weight, scale=scale)

    def _blocks(self, matrices: list[np.ndarray], *rows: np.ndarray) -> WideBlocks:
        """`wide_blocks`, with rows that a kernel joins."""
        return wide_blocks(self.scratch, matrices, *rows, join=tile_kernel)

    def _sums(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(chunks, sums): working memory for sums over the rows of x, with sums = 0."""
        shape = PARTS, x.shape[1]
        sums = self.scratch(shape, "float64", "sums")
        sums.fill(0)
        return self.scratch(shape, x.dtype, "chunks"), sums
