"""Convolution of images."""

import math

from nn.cache import Cache
from nn.initializers import Initializer
from nn.layers.base import Grads, MaybeArray
from nn.layers.convolution import Convolution
from nn.layers.images import channels_first, channels_last
from nn.ops.base import Array
from nn.settings import IntOrPair, Shape


class Conv2d(Convolution):
    """y[n, k, p, q] = b[k] + sum_{c, i, j} x[n, c, p sh + i - ph, q sw + j - pw] W[k, i, j, c].

    x: (N, c_in, H, W) -> y: (N, c_out, P, Q), P = (H + 2 ph - kh) // sh + 1 and Q alike; x is 0
    outside the image. W: (c_out, kh, kw, c_in), the order in which a product reads it (PyTorch's
    weight is W.transpose(0, 3, 1, 2)); b: (c_out,). y is channels-last in memory; x may be
    either.

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

    def output_size(self, axis: int, size: int) -> tuple[int, str]:
        k, s, p = self.kernel_hw[axis], self.stride_hw[axis], self.padding_hw[axis]
        return (size + 2 * p - k) // s + 1, f"({size} + 2*{p} - {k}) // {s} + 1"

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """The padded image, and for each pixel of y the patch of x under the kernel."""
        patches = math.prod(y_shape[1:]) * math.prod(self.kernel_hw) * self.c_in
        return self.padded_size(x_shape) + patches

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        y = self.prepare_forward(x, cache)
        stride, padding, out = self.stride_hw, self.padding_hw, channels_last(y)
        self.ops.conv(cache.x, self.W, self.b, stride, padding, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        dy = self.prepare_backward(dy, cache)
        stride, padding = self.stride_hw, self.padding_hw
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
