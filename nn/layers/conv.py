"""Convolutions of images."""

import math

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.initializers import Initializer, checked_initializer, weight_and_bias
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import IntOrPair, Shape, integer, pair


def channels_last(x: Array) -> Array:
    """(N, C, H, W) as (N, H, W, C), a view."""
    return x.transpose(0, 2, 3, 1)


def channels_first(x: Array) -> Array:
    """(N, H, W, C) as (N, C, H, W), a view."""
    return x.transpose(0, 3, 1, 2)


class Convolution(Layer):
    """The settings and initial values that both convolutions share."""

    torch_layout = (
        # (outer, kh, kw, inner) here, (outer, inner, kh, kw) in PyTorch
        TorchArray("W", "weight", (0, 3, 1, 2)),
        TorchArray("b", "bias", (0,), optional=True),
    )

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: IntOrPair,
        stride: IntOrPair,
        padding: IntOrPair,
        init: Initializer | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.c_in, self.c_out = integer(name, "c_in", c_in), integer(name, "c_out", c_out)
        self.kernel, self.kernel_hw = pair(name, "kernel", kernel, 1)
        self.stride, self.stride_hw = pair(name, "stride", stride, 1)
        self.padding, self.padding_hw = pair(name, "padding", padding, 0)
        self.init = checked_initializer(name, init)

    def initialize(self, rng: np.random.Generator) -> None:
        outer, kh, kw, inner = self.W.shape  # fans as PyTorch counts them, from these same axes
        fan_in, fan_out = inner * kh * kw, outer * kh * kw
        W_init, b_init = weight_and_bias(self.init)
        W = W_init(rng, self.W.shape, fan_in=fan_in, fan_out=fan_out)
        b = b_init(rng, self.b.shape, fan_in=fan_in, fan_out=fan_out)
        self.ops.copy_(self.W, self.ops.asarray(W, self.dtype))
        self.ops.copy_(self.b, self.ops.asarray(b, self.dtype))

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] != self.c_in:
            raise ShapeError(
                f"{self.label}: expected samples of shape ({self.c_in}, H, W), got {shape}"
            )
        height = self._output_size(0, "height", shape[1])
        width = self._output_size(1, "width", shape[2])
        return (self.c_out, height, width)

    def _output_size(self, axis: int, name: str, size: int) -> int:
        """The output's height or width."""
        raise NotImplementedError

    def _check_size(self, size: int, name: str, arithmetic: str) -> int:
        """The output's height or width, if it is at least 1."""
        if size < 1:
            raise ShapeError(
                f"{self.label}: expected an output {name} of at least 1, got {arithmetic} = {size}"
            )
        return size

    def _padded_size(self, shape: Shape) -> int:
        """Elements of an image (C, H, W) with its padding."""
        return shape[0] * math.prod(n + 2 * p for n, p in zip(shape[1:], self.padding_hw))


class Conv2d(Convolution):
    """y[n, k, p, q] = b[k] + sum_{c, i, j} x[n, c, p sh + i - ph, q sw + j - pw] W[k, i, j, c].

    x: (N, c_in, H, W) -> y: (N, c_out, P, Q), P = (H + 2 ph - kh) // sh + 1 and Q alike; x is 0
    outside the image. W: (c_out, kh, kw, c_in), the order in which a product reads it (PyTorch's
    weight is W.transpose(0, 3, 1, 2)); b: (c_out,). y is channels-last in memory, x may be either.

    Parameters
    ----------
    c_in, c_out : int
        Channels of x and y.
    kernel, stride, padding : int or (vertical, horizontal)
    init : Initializer, optional
        Draws W, and b starts at zero. None draws both as PyTorch does.

    Raises
    ------
    ShapeError
        If x has another shape, or the kernel is larger than the padded image.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        init: Initializer | None = None,
    ) -> None:
        super().__init__(c_in, c_out, kernel, stride, padding, init)
        self.parameter_shapes = {"W": (self.c_out, *self.kernel_hw, self.c_in), "b": (self.c_out,)}

    def _output_size(self, axis: int, name: str, size: int) -> int:
        k, s, p = self.kernel_hw[axis], self.stride_hw[axis], self.padding_hw[axis]
        arithmetic = f"({size} + 2*{p} - {k}) // {s} + 1"
        return self._check_size((size + 2 * p - k) // s + 1, name, arithmetic)

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """The padded image, and for each pixel of y the patch of x under the kernel."""
        patches = math.prod(y_shape[1:]) * math.prod(self.kernel_hw) * self.c_in
        return self._padded_size(x_shape) + patches

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, self.c_in, None, None))
        y = cache.image_buffer("y", (len(x), *self.output_shape(x.shape[1:])))
        cache.y_shape = y.shape
        cache.x = cache.contiguous("x", channels_last(x))
        stride, padding, out = self.stride_hw, self.padding_hw, channels_last(y)
        self.ops.conv(cache.x, self.W, self.b, stride, padding, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        stride, padding = self.stride_hw, self.padding_hw
        dy = cache.contiguous("dy", channels_last(dy))
        cache.dy = dy if cache.double_backward else None
        if grads != "skip":
            add = grads == "add"
            # dL/dW = dY^T X, where a row of X is the patch of x under the kernel
            self.ops.conv_weight_grad(cache.x, dy, stride, padding, out=self.dW, add=add)
            # dL/db = sum of dy over n, p, q
            self.ops.sum_rows(dy.reshape(-1, self.c_out), out=self.db, add=add)
        if not need_dx:
            return None
        dx = cache.buffer("dx", cache.x.shape)
        # dL/dx: each dy goes back through W to the pixels it came from
        self.ops.conv_transpose(dy, self.W, None, stride, padding, out=dx)
        return channels_first(dx)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        stride, padding = self.stride_hw, self.padding_hw
        v = cache.contiguous("v", channels_last(v))
        # dx = conv_transpose(dy, W), so <v, dx> = <conv(v, W), dy>; dP/dW = dY^T V
        self.ops.conv_weight_grad(v, cache.dy, stride, padding, out=self.dW, add=True)
        ddy = cache.buffer("ddy", cache.dy.shape)
        self.ops.conv(v, self.W, None, stride, padding, out=ddy)  # dP/d(dy) = conv(v, W)
        return channels_first(ddy), None


class ConvTranspose2d(Convolution):
    """The adjoint of `Conv2d`, plus a bias.

    Each x[n, c, p, q] W[c, i, j, k] is added to y[n, k, p sh + i - ph, q sw + j - pw], then b[k].

    x: (N, c_in, H, W) -> y: (N, c_out, P, Q), P = (H - 1) sh - 2 ph + kh + output padding and
    Q alike. W: (c_in, kh, kw, c_out), the order in which a product reads it (PyTorch's weight is
    W.transpose(0, 3, 1, 2)); b: (c_out,). Memory layout is as in `Conv2d`.

    Parameters
    ----------
    c_in, c_out : int
        Channels of x and y.
    kernel, stride, padding, output_padding : int or (vertical, horizontal)
    init : Initializer, optional
        As in `Conv2d`; fan_in counts c_out, as in PyTorch.

    Raises
    ------
    ShapeError
        If x has another shape, y has no pixel, or output_padding is not below stride.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        output_padding: IntOrPair = 0,
        init: Initializer | None = None,
    ) -> None:
        super().__init__(c_in, c_out, kernel, stride, padding, init)
        self.output_padding, self.output_padding_hw = pair(
            "ConvTranspose2d", "output_padding", output_padding, 0
        )
        if any(extra >= step for extra, step in zip(self.output_padding_hw, self.stride_hw)):
            raise ShapeError(
                "ConvTranspose2d: expected output_padding below stride, "
                f"got {output_padding} >= {stride}"
            )
        self.parameter_shapes = {"W": (self.c_in, *self.kernel_hw, self.c_out), "b": (self.c_out,)}

    def _output_size(self, axis: int, name: str, size: int) -> int:
        k, s, p = self.kernel_hw[axis], self.stride_hw[axis], self.padding_hw[axis]
        extra = self.output_padding_hw[axis]
        arithmetic = f"({size} - 1)*{s} - 2*{p} + {k} + {extra}"
        return self._check_size((size - 1) * s - 2 * p + k + extra, name, arithmetic)

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """y before its padding is cut off, for each pixel of x its patch of y, and phases."""
        patches = math.prod(x_shape[1:]) * math.prod(self.kernel_hw) * self.c_out
        return self._padded_size(y_shape) + patches + math.prod(self.stride_hw)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, self.c_in, None, None))
        y = cache.image_buffer("y", (len(x), *self.output_shape(x.shape[1:])))
        cache.y_shape = y.shape
        cache.x = cache.contiguous("x", channels_last(x))
        stride, padding, out = self.stride_hw, self.padding_hw, channels_last(y)
        self.ops.conv_transpose(cache.x, self.W, self.b, stride, padding, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        stride, padding = self.stride_hw, self.padding_hw
        dy = cache.contiguous("dy", channels_last(dy))
        cache.dy = dy if cache.double_backward else None
        if grads != "skip":
            add = grads == "add"
            # x and dy swap roles: dL/dW = X^T dY, where a row of dY is the patch of dy
            self.ops.conv_weight_grad(dy, cache.x, stride, padding, out=self.dW, add=add)
            # dL/db = sum of dy over n, p, q
            self.ops.sum_rows(dy.reshape(-1, self.c_out), out=self.db, add=add)
        if not need_dx:
            return None
        dx = cache.buffer("dx", cache.x.shape)
        self.ops.conv(dy, self.W, None, stride, padding, out=dx)  # dL/dx = conv(dy, W)
        return channels_first(dx)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        stride, padding = self.stride_hw, self.padding_hw
        v = cache.contiguous("v", channels_last(v))
        # dx = conv(dy, W); dP/dW = V^T dY
        self.ops.conv_weight_grad(cache.dy, v, stride, padding, out=self.dW, add=True)
        ddy = cache.buffer("ddy", cache.dy.shape)
        # dP/d(dy) = conv_transpose(v, W)
        self.ops.conv_transpose(v, self.W, None, stride, padding, out=ddy)
        return channels_first(ddy), None
