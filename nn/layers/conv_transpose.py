"""Transposed convolution of images."""

import math

from nn.cache import Cache
from nn.errors import ShapeError
from nn.initializers import Initializer
from nn.layers.base import Grads, MaybeArray
from nn.layers.convolution import Convolution
from nn.layers.images import channels_first, channels_last
from nn.ops.base import Array
from nn.settings import IntOrPair, Shape, pair


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

    def output_size(self, axis: int, size: int) -> tuple[int, str]:
        k, s, p = self.kernel_hw[axis], self.stride_hw[axis], self.padding_hw[axis]
        extra = self.output_padding_hw[axis]
        arithmetic = f"({size} - 1)*{s} - 2*{p} + {k} + {extra}"
        return (size - 1) * s - 2 * p + k + extra, arithmetic

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """y before its padding is cut off, for each pixel of x its patch of y, and phases."""
        patches = math.prod(x_shape[1:]) * math.prod(self.kernel_hw) * self.c_out
        return self.padded_size(y_shape) + patches + math.prod(self.stride_hw)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        y = self.prepare_forward(x, cache)
        stride, padding, out = self.stride_hw, self.padding_hw, channels_last(y)
        self.ops.conv_transpose(cache.x, self.W, self.b, stride, padding, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        dy = self.prepare_backward(dy, cache)
        stride, padding = self.stride_hw, self.padding_hw
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
