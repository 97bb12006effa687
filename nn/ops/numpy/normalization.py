"""Sums over the rows of a matrix, and batch normalization, on the CPU.

A float32 sum of a few thousand rows keeps six digits, a sum of millions only two. Larger sums
therefore proceed in blocks: BLAS sums each block in the matrix's dtype, and the sums of the blocks
are added in double precision.
"""

from __future__ import annotations

import math

import numpy as np

from nn.ops.numpy.blocks import blocks, rows_joined, wide_blocks
from nn.ops.numpy.products import NumpyProducts
from nn.ops.scratch import Scratch
from nn.underflow import quiet

FEW = 1_024  # rows: one product sums this many to five digits, even if they are equal


class NumpyNormalization(NumpyProducts):
    """Sums are products with a row of ones, the fastest way to sum that BLAS has."""

    def sum_rows(self, x: np.ndarray, *, out: np.ndarray, add: bool = False) -> np.ndarray:
        if len(x) <= FEW:
            ones = self.scratch.ones(len(x), x.dtype)
            self.product(ones, x, out=out.reshape(1, -1), add=add)
            return out
        sums = self._zero_sums(x)
        for (x_,), _ in wide_blocks(self.scratch, [x]):
            self._add_sum_rows(x_, sums)
        total = self._total(sums, x)
        np.copyto(out, np.add(total, out, out=total) if add else total, casting="same_kind")
        return out

    def sum_product_rows(self, x: np.ndarray, y: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        sums = self._zero_sums(x)
        for (x_, y_), _ in wide_blocks(self.scratch, [x, y]):
            product = np.multiply(x_, y_, out=self.scratch(x_.shape, x_.dtype))
            self._add_sum_rows(product, sums)
        np.copyto(out, self._total(sums, x), casting="same_kind")
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
        """Subtract the first row, then the mean of what is left.

        For a large value that hardly varies, the rounding error of a plain sum would exceed
        x - mean.
        """
        n, sums = len(x), self._zero_sums(x)
        np.copyto(mean, x[0])
        for (x_, y_), (first_,) in wide_blocks(self.scratch, [x, out], mean):
            self._add_sum_rows(np.subtract(x_, first_, out=y_), sums)
        rest = self.scratch(mean.shape, mean.dtype, "rest")
        np.divide(self._total(sums, x), n, out=rest, casting="same_kind")
        np.add(mean, rest, out=mean)
        sums = self._zero_sums(x)
        for (y_,), (rest_,) in wide_blocks(self.scratch, [out], rest):
            np.subtract(y_, rest_, out=y_)
            square = np.multiply(y_, y_, out=self.scratch(y_.shape, y_.dtype))
            self._add_sum_rows(square, sums)
        np.divide(self._total(sums, x), n, out=var, casting="same_kind")
        self.inverse_std(var, eps, out=inv_std)
        for (y_,), (inv_std_,) in wide_blocks(self.scratch, [out], inv_std):
            np.multiply(y_, inv_std_, out=y_)
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
        slope, shift, scale = backward_rows(self.scratch, len(dy), W, inv_std, dW, db)
        for matrices, rows in wide_blocks(self.scratch, [dy, xhat, out], slope, shift, scale):
            (dy_, xhat_, dx_), (slope_, shift_, scale_) = matrices, rows
            part = np.multiply(xhat_, slope_, out=self.scratch(dx_.shape, dx_.dtype))
            np.subtract(dy_, np.add(part, shift_, out=part), out=dx_)
            np.multiply(dx_, scale_, out=dx_)
        return out

    def scale_shift(
        self, x: np.ndarray, scale: np.ndarray, shift: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        for (x_, y_), (scale_, shift_) in wide_blocks(self.scratch, [x, out], scale, shift):
            np.multiply(x_, scale_, out=y_)
            np.add(y_, shift_, out=y_)
        return out

    def shift_scale(
        self, x: np.ndarray, shift: np.ndarray, scale: np.ndarray, *, out: np.ndarray
    ) -> np.ndarray:
        for (x_, y_), (shift_, scale_) in wide_blocks(self.scratch, [x, out], shift, scale):
            np.subtract(x_, shift_, out=y_)
            np.multiply(y_, scale_, out=y_)
        return out

    def inverse_std(self, var: np.ndarray, eps: float, *, out: np.ndarray) -> np.ndarray:
        np.sqrt(np.add(var, eps, out=out), out=out)
        return np.divide(1, out, out=out)

    @quiet
    def moving_average_(
        self, average: np.ndarray, value: np.ndarray, weight: float, *, scale: float = 1.0
    ) -> np.ndarray:
        for average_, value_ in blocks(average, value):
            step = self.scratch(average_.shape, average_.dtype)
            np.multiply(value_, scale, out=step)
            np.multiply(np.subtract(step, average_, out=step), weight, out=step)
            np.add(average_, step, out=average_)
        return average

    def normalize_vector_(self, x: np.ndarray, tiny: float) -> np.ndarray:
        squares = np.multiply(x, x, out=self.scratch(x.shape, x.dtype, "squares"))
        return np.divide(x, max(math.sqrt(np.sum(squares)), tiny), out=x)

    def _zero_sums(self, x: np.ndarray) -> np.ndarray:
        """Zeros in double precision, one for each column of a wide row of x."""
        sums = self.scratch((rows_joined(x.shape[1]) * x.shape[1],), np.float64, "sums")
        sums.fill(0)
        return sums

    def _add_sum_rows(self, block: np.ndarray, sums: np.ndarray) -> None:
        """sums[j] += sum_i block[i, j]. Rows that were not joined add to the first sums only."""
        n, width = block.shape
        part = self.scratch((1, width), block.dtype, "part")
        self.product(self.scratch.ones(n, block.dtype), block, out=part)
        np.add(sums[:width], part[0], out=sums[:width])

    def _total(self, sums: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Add up the sums of joined rows: one number for each column of x."""
        joined = sums.reshape(-1, x.shape[1])
        total = self.scratch((1, x.shape[1]), np.float64, "total")
        return self.product(self.scratch.ones(len(joined), sums.dtype), joined, out=total)[0]


def backward_rows(
    scratch: Scratch, n: int, W: np.ndarray, inv_std: np.ndarray, dW: np.ndarray, db: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dW / n, db / n and W inv_std, for dx = scale (dy - (slope xhat + shift))."""
    slope = np.divide(dW, n, out=scratch(dW.shape, dW.dtype, "slope"))
    shift = np.divide(db, n, out=scratch(db.shape, db.dtype, "shift"))
    scale = np.multiply(W, inv_std, out=scratch(W.shape, W.dtype, "scale"))
    return slope, shift, scale
