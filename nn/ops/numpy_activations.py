"""Activations on the CPU."""

import numpy as np

from nn.ops.numpy_arrays import NumpyArrays


class NumpyActivations(NumpyArrays):
    """Elementwise functions and their derivatives."""

    def leaky_relu(self, x, slope, *, out):
        """out = max(x, slope x), with 0 <= slope < 1."""
        if slope == 0:
            return np.maximum(x, 0, out=out)
        for x_, y_ in self._blocks(x, out):
            np.multiply(x_, slope, out=y_)
            np.maximum(x_, y_, out=y_)
        return out

    def leaky_relu_backward_(self, dy, y, slope):
        """dy *= 1 where y > 0, slope elsewhere; y has the sign of x."""
        for dy_, y_ in self._blocks(dy, y):
            positive = np.greater(y_, 0, out=self._scratch(y_.shape, bool))
            if slope == 0:
                np.multiply(dy_, positive, out=dy_)
            else:
                factor = np.maximum(positive, slope, out=self._scratch(y_.shape, y_.dtype, "factor"), dtype=y_.dtype)
                np.multiply(dy_, factor, out=dy_)
        return dy

    def sigmoid(self, x, *, out):
        """out = 1 / (1 + exp(-x)), by exp(-|x|), which never overflows."""
        for x_, y_ in self._blocks(x, out):
            tail = self._exp_minus_abs(x_)
            np.add(tail, 1, out=y_)
            np.copyto(tail, 1, where=np.greater_equal(x_, 0, out=self._scratch(x_.shape, bool)))
            np.divide(tail, y_, out=y_)
        return out

    def sigmoid_backward_(self, dy, y):
        """dy *= y (1 - y)."""
        for dy_, y_ in self._blocks(dy, y):
            np.multiply(dy_, y_, out=dy_)
            np.multiply(dy_, np.subtract(1, y_, out=self._scratch(y_.shape, y_.dtype)), out=dy_)
        return dy

    def tanh(self, x, *, out):
        return np.tanh(x, out=out)

    def tanh_backward_(self, dy, y):
        """dy *= 1 - y^2."""
        for dy_, y_ in self._blocks(dy, y):
            square = np.multiply(y_, y_, out=self._scratch(y_.shape, y_.dtype))
            np.multiply(dy_, np.subtract(1, square, out=square), out=dy_)
        return dy

    def multiply(self, x, y, *, out):
        return np.multiply(x, y, out=out)

    def _exp_minus_abs(self, x):
        tail = np.abs(x, out=self._scratch(x.shape, x.dtype, "tail"))
        return np.exp(np.negative(tail, out=tail), out=tail)
