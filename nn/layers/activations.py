"""Activations: elementwise functions without parameters; x and y have any shape."""

from nn.cache import Cache
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.settings import real


class LeakyReLU(Layer):
    """y = x where x > 0, else slope x; dy/dx = 1 or slope (slope at 0).

    Parameters
    ----------
    slope : float in [0, 1)

    Raises
    ------
    ShapeError
        If the slope is outside [0, 1).

    References
    ----------
    Source: Maas et al. 2013.
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = real(type(self).__name__, "slope", slope, "in [0, 1)", lambda s: 0 <= s < 1)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.y = self.ops.leaky_relu(x, self.slope, out=cache.buffer_like("y", x))
        return cache.y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        # dL/dx = dy (1 if y > 0 else slope)
        return self.ops.leaky_relu_backward_(dy, cache.y, self.slope)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        # dP/d(dy) = v (1 if y > 0 else slope)
        return self.ops.leaky_relu_backward_(v, cache.y, self.slope), None


class ReLU(LeakyReLU):
    """y = max(x, 0); dy/dx = 1 where x > 0, else 0. Source: Nair & Hinton 2010."""

    def __init__(self) -> None:
        super().__init__(slope=0.0)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)); dy/dx = y (1 - y) = e / (1 + e)^2 with e = exp(-|x|).

    From x = 17 on, y rounds to 1 and y (1 - y) to 0, but the second form does not. `cache.logits`
    keeps x, for `backward` and for the loss `BCE`.
    """

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.logits = x
        cache.y = self.ops.sigmoid(x, out=cache.buffer_like("y", x))
        return cache.y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        cache.dy = cache.copy_for_double_backward("dy", dy)
        return self.ops.sigmoid_backward_(dy, cache.logits)  # dL/dx = dy e / (1 + e)^2

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        v = self.ops.sigmoid_backward_(v, cache.logits)  # dP/d(dy) = v y'
        # dP/dx = v dy y'', y'' = y' (1 - 2 y)
        ddx = self.ops.multiply(v, cache.dy, out=cache.buffer_like("ddx", v))
        term = self.ops.multiply(ddx, cache.y, out=cache.buffer_like("second_order", v))
        return v, self.ops.add_(ddx, self.ops.multiply(term, -2.0, out=term))


class Tanh(Layer):
    """y = tanh(x); dy/dx = 1 - y^2."""

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.y = self.ops.tanh(x, out=cache.buffer_like("y", x))
        return cache.y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        cache.dy = cache.copy_for_double_backward("dy", dy)
        return self.ops.tanh_backward_(dy, cache.y)  # dL/dx = dy (1 - y^2)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        v = self.ops.tanh_backward_(v, cache.y)  # dP/d(dy) = v (1 - y^2)
        # dP/dx = v dy (-2 y) (1 - y^2)
        ddx = self.ops.multiply(v, cache.dy, out=cache.buffer_like("ddx", v))
        return v, self.ops.multiply(self.ops.multiply(ddx, cache.y, out=ddx), -2.0, out=ddx)
