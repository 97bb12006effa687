"""Activations: elementwise functions without parameters; x and y of any shape."""

from nn.layers.base import Layer
from nn.settings import real


class LeakyReLU(Layer):
    """y = x where x > 0, slope x elsewhere; dy/dx = 1 or slope (slope at 0). 0 <= slope < 1.

    Errors: `ShapeError` for a slope outside [0, 1). Source: Maas et al. 2013.
    """

    def __init__(self, slope=0.01):
        super().__init__()
        self.slope = real(type(self).__name__, "slope", slope, "in [0, 1)", lambda slope: 0 <= slope < 1)

    def forward(self, x, cache, *, train=False):
        cache.y = self.ops.leaky_relu(x, self.slope, out=cache.like("y", x))
        return cache.y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return self.ops.leaky_relu_backward_(dy, cache.y, self.slope)  # dL/dx = dy (1 if y > 0 else slope)

    def double_backward(self, v, cache):
        return self.ops.leaky_relu_backward_(v, cache.y, self.slope), None  # dP/d(dy) = v (1 if y > 0 else slope)


class ReLU(LeakyReLU):
    """y = max(x, 0); dy/dx = 1 where x > 0, else 0. Source: Nair & Hinton 2010."""

    def __init__(self):
        super().__init__(slope=0.0)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)); dy/dx = y (1 - y) = e / (1 + e)^2 with e = exp(-|x|).

    y rounds to 1 from x = 17 on, and y (1 - y) to 0; the second form does not. `cache.logits` keeps x, for backward and for
    the `BCE` loss.
    """

    def forward(self, x, cache, *, train=False):
        cache.logits = x
        cache.y = self.ops.sigmoid(x, out=cache.like("y", x))
        return cache.y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            cache.dy = cache.kept("dy", dy)
            return self.ops.sigmoid_backward_(dy, cache.logits)  # dL/dx = dy e / (1 + e)^2

    def double_backward(self, v, cache):
        v = self.ops.sigmoid_backward_(v, cache.logits)  # dP/d(dy) = v y'
        ddx = self.ops.multiply(v, cache.dy, out=cache.like("ddx", v))  # dP/dx = v dy y'', y'' = y' (1 - 2 y)
        curved = self.ops.multiply(ddx, cache.y, out=cache.like("curved", v))
        return v, self.ops.add_(ddx, self.ops.multiply(curved, -2.0, out=curved))


class Tanh(Layer):
    """y = tanh(x); dy/dx = 1 - y^2."""

    def forward(self, x, cache, *, train=False):
        cache.y = self.ops.tanh(x, out=cache.like("y", x))
        return cache.y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            cache.dy = cache.kept("dy", dy)
            return self.ops.tanh_backward_(dy, cache.y)  # dL/dx = dy (1 - y^2)

    def double_backward(self, v, cache):
        v = self.ops.tanh_backward_(v, cache.y)  # dP/d(dy) = v (1 - y^2)
        ddx = self.ops.multiply(v, cache.dy, out=cache.like("ddx", v))  # dP/dx = v dy (-2 y) (1 - y^2)
        return v, self.ops.multiply(self.ops.multiply(ddx, cache.y, out=ddx), -2.0, out=ddx)
