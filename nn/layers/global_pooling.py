"""Pooling over whole images."""

import math

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.settings import Shape


class GlobalAvgPool2d(Layer):
    """y[n, c] = the mean of x[n, c] over all H W pixels; dL/dx = dL/dy / (H W) at each pixel.

    x: (N, C, H, W) -> y: (N, C). In PyTorch, this is ``AdaptiveAvgPool2d(1)`` with ``Flatten()``.

    Raises
    ------
    ShapeError
        If x has another shape.

    References
    ----------
    Source: Lin et al. 2014, "Network in network", section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Conv2d, Dense, GlobalAvgPool2d, Sequential
    >>> net = Sequential(Conv2d(3, 8, 3, padding=1), GlobalAvgPool2d(), Dense(8, 10)).build(seed=0)
    >>> [net(np.ones((2, 3, side, side), np.float32)).shape for side in (8, 12)]
    [(2, 10), (2, 10)]
    """

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected samples of shape (C, H, W), got {shape}")
        return shape[:1]

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, None, None, None))
        cache.x_shape, cache.y_shape = x.shape, x.shape[:2]
        return self._mean(x, cache, "x", "y")

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if not need_dx:
            return None
        dx = cache.buffer("dx", cache.x_shape)
        dy_column = cache.contiguous("dy", dy).reshape(-1, 1)
        average = self._average(cache, math.prod(cache.x_shape[2:]))
        # dL/dx = dy / (H W)
        self.ops.gemm(dy_column, average.reshape(1, -1), out=dx.reshape(-1, average.size))
        return dx

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        return self._mean(v, cache, "v", "ddy"), None  # dP/d(dy) = the mean of v

    def _mean(self, x: Array, cache: Cache, name: str, out: str) -> Array:
        """The mean of each image and channel, in the buffer `out`."""
        y = cache.buffer(out, x.shape[:2])
        average = self._average(cache, math.prod(x.shape[2:]))
        rows = cache.contiguous(name, x).reshape(-1, average.size)
        self.ops.gemm(rows, average, out=y.reshape(-1, 1))
        return y

    def _average(self, cache: Cache, n: int) -> Array:
        """A column of n times 1 / n."""
        average = cache.buffer("average", (n, 1))
        self.ops.fill_(average, 1 / n)
        return average
