"""Layers that only change the shape."""

import math

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.settings import Shape, sample_shape


class Reshape(Layer):
    """y = x with each sample in the given shape: x: (N, ...) -> y: (N, *shape).

    Parameters
    ----------
    shape : tuple of int, or int for a vector

    Raises
    ------
    ShapeError
        If the number of elements differs.
    """

    def __init__(self, shape: Shape | int) -> None:
        super().__init__()
        self.shape = sample_shape("Reshape", "shape", shape)

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(
                f"{self.label}: expected samples of {math.prod(self.shape)} elements for "
                f"{self.shape}, got {shape}"
            )
        return self.shape

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.x_shape = x.shape
        return cache.contiguous("y", x).reshape(len(x), *self.output_shape(x.shape[1:]))

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        return cache.contiguous("dx", dy).reshape(cache.x_shape) if need_dx else None  # dL/dx = dy

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        return cache.contiguous("v", v).reshape(len(v), *self.shape), None  # dP/d(dy) = v


class Flatten(Layer):
    """y = x with each sample as a vector, in C order: x: (N, ...) -> y: (N, number of elements)."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.x_shape = x.shape
        return cache.contiguous("y", x).reshape(len(x), math.prod(x.shape[1:]))

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        return cache.contiguous("dx", dy).reshape(cache.x_shape) if need_dx else None  # dL/dx = dy

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        return cache.contiguous("v", v).reshape(len(v), -1), None  # dP/d(dy) = v
