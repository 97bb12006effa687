"""Layers that only change the shape."""

import math

from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.settings import sizes


class Reshape(Layer):
    """y = x, each sample in the given shape: x: (N, ...) -> y: (N, *shape).

    shape: ints, or one of them for a vector. Errors: `ShapeError` where the number of elements differs.
    """

    def __init__(self, shape):
        super().__init__()
        self.shape = sizes("Reshape", "shape", shape)

    def output_shape(self, shape):
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(f"{self.label}: expected samples of {math.prod(self.shape)} elements for {self.shape}, got {shape}")
        return self.shape

    def forward(self, x, cache, *, train=False):
        cache.x_shape = x.shape
        return cache.contiguous("y", x).reshape(len(x), *self.output_shape(x.shape[1:]))

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return cache.contiguous("dx", dy).reshape(cache.x_shape)

    def double_backward(self, v, cache):
        return cache.contiguous("v", v).reshape(len(v), *self.shape), None  # dP/d(dy) = v


class Flatten(Layer):
    """y = x, each sample as a vector in C order: x: (N, ...) -> y: (N, number of elements)."""

    def output_shape(self, shape):
        return (math.prod(shape),)

    def forward(self, x, cache, *, train=False):
        cache.x_shape = x.shape
        return cache.contiguous("y", x).reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return cache.contiguous("dx", dy).reshape(cache.x_shape)

    def double_backward(self, v, cache):
        return cache.contiguous("v", v).reshape(len(v), -1), None  # dP/d(dy) = v
