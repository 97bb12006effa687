"""Activations and elementwise arithmetic on a CUDA device, each by one kernel of cuda_elementwise.py."""

from nn.ops.numpy.activations import least_slope


class CudaActivations:
    """What each computes stands in the docstrings of `NumpyActivations`."""

    def leaky_relu(self, x, slope, *, out):
        self._kernel("leaky_relu")(x, slope, out)
        return out

    def leaky_relu_backward_(self, dy, y, slope):
        self._kernel("leaky_relu_backward")(y, slope, dy)
        return dy

    def sigmoid(self, x, *, out):
        self._kernel("sigmoid")(x, out)
        return out

    def sigmoid_backward_(self, dy, x):
        self._kernel("sigmoid_backward")(x, least_slope(x.dtype), dy)
        return dy

    def divide_by_sigmoid_slope_(self, dy, x):
        self._kernel("divide_by_sigmoid_slope")(x, least_slope(x.dtype), dy)
        return dy

    def tanh(self, x, *, out):
        self._kernel("tanh_forward")(x, out)
        return out

    def tanh_backward_(self, dy, y):
        self._kernel("tanh_backward")(y, dy)
        return dy

    def multiply(self, x, y, *, out):
        self._kernel("multiply")(x, y, out)
        return out

    def divide(self, x, y, *, out):
        self._kernel("divide")(x, y, out)
        return out

    def subtract(self, x, y, *, out):
        self._kernel("subtract")(x, y, out)
        return out
