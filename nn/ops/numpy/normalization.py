"""Sums over the rows of a matrix, and batch normalisation, on the CPU.

A float32 sum of a few thousand rows keeps six digits, one of millions two. So larger sums go in blocks: each block's in the
matrix's dtype, by BLAS, and the sum of these in double precision.
"""

import numpy as np

from nn.ops.numpy.arrays import NumpyArrays
from nn.underflow import quiet

BLOCK = 131_072  # elements: two or three arrays of this size stay in a usual second-level cache
WIDTH = 2_048  # elements: NumPy's loop over a row of a few channels is too short to be fast, so rows are put side by side

FEW = 1_024  # rows that one product sums well enough: where all are alike, five digits are right


class NumpyNormalization(NumpyArrays):
    """Statistics of the columns of a matrix, and what is done with them; features run along the rows."""

    def sum_rows(self, x, *, out, add=False):
        """out[j] = sum_i x[i, j], or += : products with a row of ones, which BLAS does fastest."""
        if len(x) <= FEW:
            self._product(self._ones(len(x), x.dtype), x, out=out.reshape(1, -1), add=add)
            return out
        sums = self._no_sums(x)
        for (x_,), _ in self._wide_blocks([x]):
            self._add_sum_rows(x_, sums)
        total = self._total(sums, x)
        np.copyto(out, np.add(total, out, out=total) if add else total, casting="same_kind")
        return out

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        """mean and (biased) var of each column, inv_std = 1 / sqrt(var + eps), out = (x - mean) inv_std.

        The first row is subtracted first, and then the mean of what is left: where a large value hardly varies, or not at all,
        the rounding of a plain sum would be larger than x - mean.
        """
        n, sums = len(x), self._no_sums(x)
        np.copyto(mean, x[0])
        for (x_, y_), (first_,) in self._wide_blocks([x, out], mean):
            self._add_sum_rows(np.subtract(x_, first_, out=y_), sums)
        rest = self._scratch(mean.shape, mean.dtype, "rest")
        np.divide(self._total(sums, x), n, out=rest, casting="same_kind")
        np.add(mean, rest, out=mean)
        sums = self._no_sums(x)
        for (y_,), (rest_,) in self._wide_blocks([out], rest):
            np.subtract(y_, rest_, out=y_)
            self._add_sum_rows(np.multiply(y_, y_, out=self._scratch(y_.shape, y_.dtype)), sums)
        np.divide(self._total(sums, x), n, out=var, casting="same_kind")
        self.inverse_std(var, eps, out=inv_std)
        for (y_,), (inv_std_,) in self._wide_blocks([out], inv_std):
            np.multiply(y_, inv_std_, out=y_)
        return out

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        """out = W inv_std (dy - db / n - xhat dW / n), given dW = sum_n dy xhat and db = sum_n dy."""
        n = len(dy)
        slope = np.divide(dW, n, out=self._scratch(dW.shape, dW.dtype, "slope"))
        shift = np.divide(db, n, out=self._scratch(db.shape, db.dtype, "shift"))
        scale = np.multiply(W, inv_std, out=self._scratch(W.shape, W.dtype, "scale"))
        for (dy_, xhat_, dx_), (slope_, shift_, scale_) in self._wide_blocks([dy, xhat, out], slope, shift, scale):
            part = np.multiply(xhat_, slope_, out=self._scratch(dx_.shape, dx_.dtype))
            np.subtract(dy_, np.add(part, shift_, out=part), out=dx_)
            np.multiply(dx_, scale_, out=dx_)
        return out

    def scale_shift(self, x, scale, shift, *, out):
        """out = x scale + shift, a row each."""
        for (x_, y_), (scale_, shift_) in self._wide_blocks([x, out], scale, shift):
            np.multiply(x_, scale_, out=y_)
            np.add(y_, shift_, out=y_)
        return out

    def shift_scale(self, x, shift, scale, *, out):
        """out = (x - shift) scale, a row each."""
        for (x_, y_), (shift_, scale_) in self._wide_blocks([x, out], shift, scale):
            np.subtract(x_, shift_, out=y_)
            np.multiply(y_, scale_, out=y_)
        return out

    def inverse_std(self, var, eps, *, out):
        """out = 1 / sqrt(var + eps)."""
        np.sqrt(np.add(var, eps, out=out), out=out)
        return np.divide(1, out, out=out)

    def sum_product_rows(self, x, y, *, out):
        """out[j] = sum_i x[i, j] y[i, j]."""
        sums = self._no_sums(x)
        for (x_, y_), _ in self._wide_blocks([x, y]):
            self._add_sum_rows(np.multiply(x_, y_, out=self._scratch(x_.shape, x_.dtype)), sums)
        np.copyto(out, self._total(sums, x), casting="same_kind")
        return out

    @quiet
    def moving_average_(self, average, value, weight, *, scale=1.0):
        """average += weight (scale value - average)."""
        for average_, value_ in self._blocks(average, value):
            step = np.multiply(value_, scale, out=self._scratch(average_.shape, average_.dtype))
            np.multiply(np.subtract(step, average_, out=step), weight, out=step)
            np.add(average_, step, out=average_)
        return average

    def _wide_blocks(self, matrices, *rows):
        """Yield (pieces of the matrices, the rows), cut along the first axis, as wide as WIDTH by putting rows side by side.

        What is left over at the end, too few rows to be put side by side, comes last and as it is.
        """
        n, columns = matrices[0].shape
        beside = rows_beside(columns)
        step = max(1, BLOCK // (beside * columns)) * beside
        whole = n - n % beside
        wide_rows = rows
        if beside > 1:
            wide_rows = [self._scratch((beside, columns), row.dtype, f"row{i}") for i, row in enumerate(rows)]
            for wide, row in zip(wide_rows, rows):
                np.copyto(wide, row)
            wide_rows = [wide.reshape(-1) for wide in wide_rows]
        for i in range(0, whole, step):
            yield [x[i : min(i + step, whole)].reshape(-1, beside * columns) for x in matrices], wide_rows
        if whole < n:
            yield [x[whole:] for x in matrices], rows

    def _no_sums(self, x):
        """Zeros in double precision for the sums over the blocks of x, a number for each column of a wide row."""
        sums = self._scratch((rows_beside(x.shape[1]) * x.shape[1],), np.float64, "sums")
        sums.fill(0)
        return sums

    def _add_sum_rows(self, block, sums):
        """sums[j] += sum_i block[i, j]; a block of what is left over, whose rows are not wide, fills the first sums only."""
        n, width = block.shape
        part = self._product(self._ones(n, block.dtype), block, out=self._scratch((1, width), block.dtype, "part"))
        np.add(sums[:width], part[0], out=sums[:width])

    def _total(self, sums, x):
        """The sums of what lay side by side together: a number for each column of x."""
        beside = sums.reshape(-1, x.shape[1])
        total = self._scratch((1, x.shape[1]), np.float64, "total")
        return self._product(self._ones(len(beside), sums.dtype), beside, out=total)[0]


def rows_beside(columns):
    """How many rows of so many columns are put side by side."""
    return max(1, WIDTH // columns)
