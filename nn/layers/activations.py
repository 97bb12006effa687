"""Activations: elementwise functions without parameters; x and y have any shape."""

from nn.cache import Cache
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.ops.base.activations import GELU_A, GELU_C
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


class SiLU(Layer):
    """y = x s with s = 1 / (1 + exp(-x)); dy/dx = s + y (1 - s). Also called Swish.

    References
    ----------
    Source: Ramachandran et al. 2017, "Searching for activation functions".

    Examples
    --------
    >>> import numpy as np
    >>> from nn import SiLU
    >>> y = SiLU().build(seed=0)(np.array([[-1, 0, 1]], np.float32))
    >>> [[f"{v:.3f}" for v in row] for row in y]
    [['-0.269', '0.000', '0.731']]
    """

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.x, cache.s = x, self.ops.sigmoid(x, out=cache.buffer_like("s", x))
        cache.y = self.ops.multiply(x, cache.s, out=cache.buffer_like("y", x))
        return cache.y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        cache.dy = cache.copy_for_double_backward("dy", dy)
        return self.ops.silu_backward_(dy, cache.y, cache.s)  # dL/dx = dy (s + y (1 - s))

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        ops, s, y = self.ops, cache.s, cache.y
        # y'' = s (1 - s) (2 + x (1 - 2 s)) = (s - s^2) (2 + x - 2 y)
        ddx = ops.multiply(s, s, out=cache.buffer_like("ddx", y))
        ops.subtract(s, ddx, out=ddx)
        factor = ops.multiply(y, -2.0, out=cache.buffer_like("factor", y))
        ops.subtract(ops.add_(factor, cache.x), -2.0, out=factor)
        ops.multiply(ddx, factor, out=ddx)
        ops.multiply(ops.multiply(ddx, v, out=ddx), cache.dy, out=ddx)  # dP/dx = v dy y''
        return ops.silu_backward_(v, y, s), ddx  # dP/d(dy) = v y'


class GELU(Layer):
    """y = x (1 + t) / 2 with t = tanh(u), u = c (x + a x^3), c = sqrt(2 / pi), a = 0.044715.

    dy/dx = (1 + t) / 2 + x (1 - t^2) u' / 2 with u' = c (1 + 3 a x^2). y differs from
    x P(Z < x), with a standard normal Z, by less than 5e-4. In PyTorch, this is
    ``GELU(approximate="tanh")``.

    References
    ----------
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units", section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import GELU
    >>> y = GELU().build(seed=0)(np.array([[-1, 0, 1]], np.float32))
    >>> [[f"{v:.3f}" for v in row] for row in y]
    [['-0.159', '0.000', '0.841']]
    """

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.x, cache.t = x, cache.buffer_like("t", x)
        return self.ops.gelu(x, out=cache.buffer_like("y", x), t=cache.t)  # y = x (1 + t) / 2

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        cache.dy = cache.copy_for_double_backward("dy", dy)
        # dL/dx = dy ((1 + t) / 2 + x (1 - t^2) u' / 2)
        return self.ops.gelu_backward_(dy, cache.x, cache.t)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        ops, x, t = self.ops, cache.x, cache.t
        # y'' = (1 - t^2) (u' + x (u'' / 2 - t u'^2)) with u'' = 6 a c x
        du = ops.multiply(x, x, out=cache.buffer_like("du", x))
        ops.subtract(ops.multiply(du, 3 * GELU_A * GELU_C, out=du), -GELU_C, out=du)
        ddx = ops.multiply(du, du, out=cache.buffer_like("ddx", x))
        ops.multiply(ops.multiply(ddx, t, out=ddx), -1.0, out=ddx)
        d2u = ops.multiply(x, 3 * GELU_A * GELU_C, out=cache.buffer_like("d2u", x))  # u'' / 2
        ops.add_(ddx, d2u)
        ops.add_(ops.multiply(ddx, x, out=ddx), du)
        ops.tanh_backward_(ddx, t)
        ops.multiply(ops.multiply(ddx, v, out=ddx), cache.dy, out=ddx)  # dP/dx = v dy y''
        return ops.gelu_backward_(v, x, t), ddx  # dP/d(dy) = v y'
