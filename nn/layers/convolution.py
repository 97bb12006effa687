"""What `Conv2d` and `ConvTranspose2d` share."""

import math

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.initializers import Initializer, checked_initializer, weight_and_bias
from nn.layers.base import Layer
from nn.layers.images import channels_last
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import IntOrPair, Shape, integer, pair


class Convolution(Layer):
    """Base of both convolutions: their settings, initial values and shapes."""

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
        sizes = []
        for axis, name in enumerate(("height", "width")):
            size, arithmetic = self.output_size(axis, shape[axis + 1])
            if size < 1:
                raise ShapeError(
                    f"{self.label}: expected an output {name} of at least 1, "
                    f"got {arithmetic} = {size}"
                )
            sizes.append(size)
        return (self.c_out, *sizes)

    def output_size(self, axis: int, size: int) -> tuple[int, str]:
        """The height (axis 0) or width (axis 1) of y given that of x, and how it is computed."""
        raise NotImplementedError

    def padded_size(self, shape: Shape) -> int:
        """Elements of an image (C, H, W) with its padding."""
        return shape[0] * math.prod(n + 2 * p for n, p in zip(shape[1:], self.padding_hw))

    def prepare_forward(self, x: Array, cache: Cache) -> Array:
        """Check x, keep it channels-last as `cache.x`, and return a buffer for y."""
        self.check_input(x, (None, self.c_in, None, None))
        y = cache.image_buffer("y", (len(x), *self.output_shape(x.shape[1:])))
        cache.y_shape = y.shape
        cache.x = cache.contiguous("x", channels_last(x))
        return y

    def prepare_backward(self, dy: Array, cache: Cache) -> Array:
        """Check dy, and return it channels-last."""
        self.check_dy(dy, cache.y_shape)
        dy = cache.contiguous("dy", channels_last(dy))
        cache.dy = dy if cache.double_backward else None
        return dy
