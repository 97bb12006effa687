"""The residual connection."""

from __future__ import annotations

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.container import Container, check_layers
from nn.ops.base import Array
from nn.settings import Shape


class Residual(Container):
    """y = f(x) + s(x), with a layer or network f and a shortcut s, by default s(x) = x.

    x has the shape that f takes, y the one that f returns. Each branch has a cache of its own.
    PyTorch has no such layer; in its state, f's names begin with "0." and those of s with "1.".

    Parameters
    ----------
    layer : Layer
        f, such as a `Sequential`.
    shortcut : Layer, optional
        s, where f changes the shape: a `Dense`, or a `Conv2d` with a kernel of 1. None is the
        identity.

    Raises
    ------
    ShapeError
        If the branches return different shapes, or are one layer.

    References
    ----------
    Source: He et al. 2016, "Deep residual learning for image recognition", eq. 1-2.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Conv2d, ReLU, Residual, Sequential
    >>> block = Sequential(Conv2d(8, 16, 3, stride=2, padding=1), ReLU())
    >>> net = Residual(block, shortcut=Conv2d(8, 16, 1, stride=2)).build(seed=0)
    >>> net(np.ones((4, 8, 6, 6), np.float32)).shape
    (4, 16, 3, 3)
    """

    def __init__(self, layer: Layer, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.layers = (layer,) if shortcut is None else (layer, shortcut)
        check_layers("Residual", self.layers)
        shapes = [branch.input_shape for branch in self.layers if branch.input_shape is not None]
        self.input_shape = shapes[0] if shapes else None
        if self.input_shape is not None:
            self.output_shape(self.input_shape)

    @property
    def layer(self) -> Layer:
        """f."""
        return self.layers[0]

    @property
    def shortcut(self) -> Layer | None:
        """s; None is the identity."""
        return self.layers[1] if len(self.layers) == 2 else None

    def cache(self, *, tracks_statistics: bool = True, double_backward: bool = False) -> Cache:
        cache = super().cache(tracks_statistics=tracks_statistics, double_backward=double_backward)
        cache.ends_in_part = False  # y is a sum, not the output of the last layer
        return cache

    def output_shape(self, shape: Shape) -> Shape:
        y_shape = self.layer.output_shape(shape)
        shortcut = shape if self.shortcut is None else self.shortcut.output_shape(shape)
        if y_shape != shortcut:
            raise ShapeError(
                f"{self.label}: expected a layer and a shortcut that return one shape, got "
                f"{y_shape} and {shortcut} from {shape}; pass a shortcut that returns {y_shape}"
            )
        return y_shape

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        return sum(branch.pass_size(x_shape) for branch in self.layers)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        fx = self.layer.forward(x, cache.parts[0], train=train)
        sx = x
        if self.shortcut is not None:
            sx = self.shortcut.forward(x, cache.parts[1], train=train)
        if fx.shape != sx.shape:
            self.output_shape(x.shape[1:])  # raises
        cache.y_shape = fx.shape
        y = cache.buffer_like("y", fx)
        self.ops.copy_(y, fx)
        return self.ops.add_(y, sx)  # y = f(x) + s(x)

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        dfx = cache.buffer_like("dfx", dy)  # dL/df(x) = dy; f may overwrite it
        self.ops.copy_(dfx, dy)
        dx = self.layer.backward(dfx, cache.parts[0], grads=grads, need_dx=need_dx)
        if self.shortcut is not None:
            # dL/ds(x) = dy
            dy = self.shortcut.backward(dy, cache.parts[1], grads=grads, need_dx=need_dx)
        return self.ops.add_(dx, dy) if need_dx else None  # dL/dx = J_f^T dy + J_s^T dy

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        vf = cache.buffer_like("vf", v)
        self.ops.copy_(vf, v)
        ddy, ddx = self.layer.double_backward(vf, cache.parts[0])
        ddx_s = None
        if self.shortcut is not None:
            v, ddx_s = self.shortcut.double_backward(v, cache.parts[1])
        self.ops.add_(ddy, v)  # dP/d(dy) = J_f v + J_s v
        if ddx is None or ddx_s is None:
            return ddy, ddx if ddx_s is None else ddx_s
        return ddy, self.ops.add_(ddx, ddx_s)  # dP/dx, the sum over both branches
