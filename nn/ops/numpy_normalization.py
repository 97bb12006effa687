"""Batch normalisation on the CPU."""

import numpy as np

from nn.ops.numpy_arrays import NumpyArrays


class NumpyNormalization(NumpyArrays):
    """Statistics of the columns of a matrix, and what is done with them; features run along the rows."""

    def normalize(self, x, eps, *, out, mean, var, inv_std):
        """mean and (biased) var of each column, inv_std = 1 / sqrt(var + eps), out = (x - mean) inv_std."""
        ones = self._ones_like_rows(x)
        np.divide(np.matmul(ones, x, out=mean), len(x), out=mean)
        np.subtract(x, mean, out=out)
        square = np.multiply(out, out, out=self._scratch(x.shape, x.dtype))
        np.divide(np.matmul(ones, square, out=var), len(x), out=var)
        self.inverse_std(var, eps, out=inv_std)
        return np.multiply(out, inv_std, out=out)

    def normalize_backward(self, dy, xhat, W, inv_std, dW, db, *, out):
        """out = W inv_std (dy - db / n - xhat dW / n), given dW = sum_n dy xhat and db = sum_n dy."""
        n = len(dy)
        slope = np.divide(dW, n, out=self._scratch(dW.shape, dW.dtype, "slope"))
        shift = np.divide(db, n, out=self._scratch(db.shape, db.dtype, "shift"))
        scale = np.multiply(W, inv_std, out=self._scratch(W.shape, W.dtype, "scale"))
        for dy_, xhat_, dx_ in self._blocks(dy, xhat, out):
            part = np.multiply(xhat_, slope, out=self._scratch(dx_.shape, dx_.dtype))
            np.subtract(dy_, np.add(part, shift, out=part), out=dx_)
            np.multiply(dx_, scale, out=dx_)
        return out

    def scale_shift(self, x, scale, shift, *, out):
        """out = x scale + shift, a row each."""
        for x_, y_ in self._blocks(x, out):
            np.multiply(x_, scale, out=y_)
            np.add(y_, shift, out=y_)
        return out

    def shift_scale(self, x, shift, scale, *, out):
        """out = (x - shift) scale, a row each."""
        for x_, y_ in self._blocks(x, out):
            np.subtract(x_, shift, out=y_)
            np.multiply(y_, scale, out=y_)
        return out

    def inverse_std(self, var, eps, *, out):
        """out = 1 / sqrt(var + eps)."""
        np.sqrt(np.add(var, eps, out=out), out=out)
        return np.divide(1, out, out=out)

    def sum_product_rows(self, x, y, *, out):
        """out[j] = sum_i x[i, j] y[i, j]."""
        product = np.multiply(x, y, out=self._scratch(x.shape, x.dtype))
        return np.matmul(self._ones_like_rows(x), product, out=out)

    def moving_average_(self, average, value, weight, *, scale=1.0):
        """average += weight (scale value - average)."""
        for average_, value_ in self._blocks(average, value):
            step = np.multiply(value_, scale, out=self._scratch(average_.shape, average_.dtype))
            np.multiply(np.subtract(step, average_, out=step), weight, out=step)
            np.add(average_, step, out=average_)
        return average
