"""Convolutions of images."""

from nn.errors import ShapeError
from nn.initializers import Constant, TorchDefault
from nn.layers.base import Layer
from nn.settings import initializer, pair, whole


def channels_last(x):
    """(N, C, H, W) as (N, H, W, C), the same memory."""
    return x.transpose(0, 2, 3, 1)


class Convolution(Layer):
    """What the two convolutions share: their settings, and how they start."""

    def __init__(self, c_in, c_out, kernel, stride, padding, init):
        super().__init__()
        name = type(self).__name__
        self.c_in, self.c_out = whole(name, "c_in", c_in), whole(name, "c_out", c_out)
        self.kernel, self._kernel = pair(name, "kernel", kernel, 1)
        self.stride, self._stride = pair(name, "stride", stride, 1)
        self.padding, self._padding = pair(name, "padding", padding, 0)
        self.init = initializer(name, init)

    def initialize(self, rng):
        outer, kh, kw, inner = self.W.shape  # PyTorch's fans: its weights begin with the same axis as these
        fans = {"fan_in": inner * kh * kw, "fan_out": outer * kh * kw}
        W_init, b_init = (self.init, Constant(0.0)) if self.init else (TorchDefault(), TorchDefault())
        self.ops.copy_(self.W, self.ops.asarray(W_init(rng, self.W.shape, **fans), self.dtype))
        self.ops.copy_(self.b, self.ops.asarray(b_init(rng, self.b.shape, **fans), self.dtype))

    def output_shape(self, shape):
        if len(shape) != 3 or shape[0] != self.c_in:
            raise ShapeError(f"{self.label}: expected samples of shape ({self.c_in}, H, W), got {shape}")
        return (self.c_out, *(self._size(axis, name, shape[axis + 1]) for axis, name in enumerate(("height", "width"))))

    def _at_least_one(self, size, name, arithmetic):
        if size < 1:
            raise ShapeError(f"{self.label}: expected an output {name} of at least 1, got {arithmetic} = {size}")
        return size


class Conv2d(Convolution):
    """y[n, k, p, q] = b[k] + sum over c, i, j of x[n, c, p sh + i - ph, q sw + j - pw] W[k, i, j, c]; x is 0 outside.

    x: (N, c_in, H, W) -> y: (N, c_out, P, Q) with P = (H + 2 ph - kh) // sh + 1, Q alike; W: (c_out, kh, kw, c_in), the order
    in which a product meets it (PyTorch's weight is W.transpose(0, 3, 1, 2)); b: (c_out,). kernel, stride, padding: an int,
    or a pair (vertical, horizontal). y lies channels-last in memory; x may lie either way. With `init` None, W and b start
    as PyTorch's do; with an initializer, W is drawn from it and b starts at zero.
    Errors: `ShapeError` for x of another shape, or a kernel that the padded image does not hold.
    """

    def __init__(self, c_in, c_out, kernel, stride=1, padding=0, init=None):
        super().__init__(c_in, c_out, kernel, stride, padding, init)
        self.parameter_shapes = {"W": (self.c_out, *self._kernel, self.c_in), "b": (self.c_out,)}

    def _size(self, axis, name, size):
        k, s, p = self._kernel[axis], self._stride[axis], self._padding[axis]
        return self._at_least_one((size + 2 * p - k) // s + 1, name, f"({size} + 2*{p} - {k}) // {s} + 1")

    def forward(self, x, cache, *, train=False):
        self.check_input(x, (None, self.c_in, None, None))
        y = cache.images("y", (len(x), *self.output_shape(x.shape[1:])))
        cache.y_shape = y.shape
        cache.x = cache.contiguous("x", channels_last(x))
        self.ops.conv(cache.x, self.W, self.b, self._stride, self._padding, out=channels_last(y))
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        dy = cache.contiguous("dy", channels_last(dy))
        cache.dy = dy if cache.twice else None
        if grads != "skip":
            add = grads == "add"
            self.ops.conv_weight_grad(cache.x, dy, self._stride, self._padding, out=self.dW, add=add)  # dL/dW = dY^T X
            self.ops.sum_rows(dy.reshape(-1, self.c_out), out=self.db, add=add)  # dL/db = sum of dy over n, p, q
        if need_dx:  # dL/dx: every dy goes back along W to the pixels that it came from
            dx = cache.buffer("dx", cache.x.shape)
            self.ops.conv_transpose(dy, self.W, None, self._stride, self._padding, out=dx)
            return dx.transpose(0, 3, 1, 2)

    def double_backward(self, v, cache):
        v = cache.contiguous("v", channels_last(v))  # dx is dy sent back along W; <v, dx> = <v conv W, dy>
        self.ops.conv_weight_grad(v, cache.dy, self._stride, self._padding, out=self.dW, add=True)  # dP/dW = dY^T V
        ddy = cache.buffer("ddy", cache.dy.shape)
        self.ops.conv(v, self.W, None, self._stride, self._padding, out=ddy)  # dP/d(dy) = the convolution of v with W
        return ddy.transpose(0, 3, 1, 2), None


class ConvTranspose2d(Convolution):
    """The adjoint of `Conv2d`: every x[n, c, p, q] W[c, i, j, k] is added to y[n, k, p sh + i - ph, q sw + j - pw]; plus b[k].

    x: (N, c_in, H, W) -> y: (N, c_out, P, Q) with P = (H - 1) sh - 2 ph + kh + output padding, Q alike; W: (c_in, kh, kw,
    c_out), the order in which a product meets it (PyTorch's weight is W.transpose(0, 3, 1, 2)); b: (c_out,). kernel, stride,
    padding, output_padding: an int, or a pair (vertical, horizontal). Memory and `init` are as in `Conv2d`; fan_in counts
    c_out, as PyTorch does it. Errors: `ShapeError` for x of another shape, no pixel left, or output_padding not below stride.
    """

    def __init__(self, c_in, c_out, kernel, stride=1, padding=0, output_padding=0, init=None):
        super().__init__(c_in, c_out, kernel, stride, padding, init)
        self.output_padding, self._output_padding = pair("ConvTranspose2d", "output_padding", output_padding, 0)
        if any(extra >= step for extra, step in zip(self._output_padding, self._stride)):
            raise ShapeError(f"ConvTranspose2d: expected output_padding below stride, got {output_padding} >= {stride}")
        self.parameter_shapes = {"W": (self.c_in, *self._kernel, self.c_out), "b": (self.c_out,)}

    def _size(self, axis, name, size):
        k, s, p, extra = self._kernel[axis], self._stride[axis], self._padding[axis], self._output_padding[axis]
        return self._at_least_one((size - 1) * s - 2 * p + k + extra, name, f"({size} - 1)*{s} - 2*{p} + {k} + {extra}")

    def forward(self, x, cache, *, train=False):
        self.check_input(x, (None, self.c_in, None, None))
        y = cache.images("y", (len(x), *self.output_shape(x.shape[1:])))
        cache.y_shape = y.shape
        cache.x = cache.contiguous("x", channels_last(x))
        self.ops.conv_transpose(cache.x, self.W, self.b, self._stride, self._padding, out=channels_last(y))
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        dy = cache.contiguous("dy", channels_last(dy))
        cache.dy = dy if cache.twice else None
        if grads != "skip":
            add = grads == "add"  # x and dy have changed places: dL/dW = X^T dY, with the columns of dy
            self.ops.conv_weight_grad(dy, cache.x, self._stride, self._padding, out=self.dW, add=add)
            self.ops.sum_rows(dy.reshape(-1, self.c_out), out=self.db, add=add)  # dL/db = sum of dy over n, p, q
        if need_dx:  # dL/dx = the convolution of dy with W
            dx = cache.buffer("dx", cache.x.shape)
            self.ops.conv(dy, self.W, None, self._stride, self._padding, out=dx)
            return dx.transpose(0, 3, 1, 2)

    def double_backward(self, v, cache):
        v = cache.contiguous("v", channels_last(v))  # dx is the convolution of dy with W
        self.ops.conv_weight_grad(cache.dy, v, self._stride, self._padding, out=self.dW, add=True)  # dP/dW = V^T dY
        ddy = cache.buffer("ddy", cache.dy.shape)
        self.ops.conv_transpose(v, self.W, None, self._stride, self._padding, out=ddy)  # dP/d(dy): v goes back along W
        return ddy.transpose(0, 3, 1, 2), None
