"""Pooling and upsampling: layers without parameters that resize images channel by channel."""

import math

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.images import channels_first, channels_last
from nn.ops.base import Array
from nn.settings import IntOrPair, Shape, pair

MAX_TAPS = 256  # of a max pool, which stores the position of a window's maximum in a byte


class Resize2d(Layer):
    """Base of all three: provides channels-last arrays for both passes."""

    def prepare_forward(self, x: Array, cache: Cache) -> tuple[Array, Array]:
        """Check x; return x and a buffer for y, both channels-last."""
        self.check_input(x, (None, None, None, None))
        cache.x_shape = x.shape
        cache.y_shape = (len(x), *self.output_shape(x.shape[1:]))
        y = cache.image_buffer("y", cache.y_shape)
        return cache.contiguous("x", channels_last(x)), channels_last(y)

    def prepare_backward(self, dy: Array, cache: Cache) -> tuple[Array, Array]:
        """dy and a buffer for dx, both channels-last."""
        dx = cache.image_buffer("dx", cache.x_shape)
        return cache.contiguous("dy", channels_last(dy)), channels_last(dx)

    def prepare_double_backward(self, v: Array, cache: Cache) -> tuple[Array, Array]:
        """v and a buffer for dP/d(dy), both channels-last."""
        ddy = cache.image_buffer("ddy", (len(v), *self.output_shape(v.shape[1:])))
        return cache.contiguous("v", channels_last(v)), channels_last(ddy)


class Pool2d(Resize2d):
    """Base of both pools: windows of the kernel's size, a stride apart, over the padded image."""

    def __init__(
        self, kernel: IntOrPair, stride: IntOrPair | None = None, padding: IntOrPair = 0
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel, self.kernel_hw = pair(name, "kernel", kernel, 1)
        self.stride: IntOrPair | None = None
        self.stride_hw = self.kernel_hw
        if stride is not None:
            self.stride, self.stride_hw = pair(name, "stride", stride, 1)
        self.padding, self.padding_hw = pair(name, "padding", padding, 0)
        if any(2 * p > k for p, k in zip(self.padding_hw, self.kernel_hw)):
            raise ShapeError(
                f"{name}: expected a padding of at most half the kernel, got {padding} for {kernel}"
            )

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected samples of shape (C, H, W), got {shape}")
        sizes = []
        for axis, name in enumerate(("height", "width")):
            n, p = shape[axis + 1], self.padding_hw[axis]
            k, s = self.kernel_hw[axis], self.stride_hw[axis]
            size = (n + 2 * p - k) // s + 1
            if size < 1:
                raise ShapeError(
                    f"{self.label}: expected an output {name} of at least 1, "
                    f"got ({n} + 2*{p} - {k}) // {s} + 1 = {size}"
                )
            sizes.append(size)
        return (shape[0], *sizes)


class MaxPool2d(Pool2d):
    """y[n, c, p, q] = the largest x in the window.

    dL/dx is dL/dy at the window's maximum (the first of equal ones), else 0.

    x: (N, C, H, W) -> y: (N, C, P, Q), P = (H + 2 ph - kh) // sh + 1 and Q alike.

    Parameters
    ----------
    kernel : int or (vertical, horizontal)
        At most 256 taps.
    stride : int or (vertical, horizontal), optional
        The kernel's size by default.
    padding : int or (vertical, horizontal)
        At most half the kernel; padding is never the maximum.

    Raises
    ------
    ShapeError
        If x has another shape, or the kernel is larger than the padded image or 256 taps.
    """

    def __init__(
        self, kernel: IntOrPair, stride: IntOrPair | None = None, padding: IntOrPair = 0
    ) -> None:
        super().__init__(kernel, stride, padding)
        if math.prod(self.kernel_hw) > MAX_TAPS:
            raise ShapeError(
                f"MaxPool2d: expected a kernel of at most {MAX_TAPS} taps, got {kernel}"
            )

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        x, y = self.prepare_forward(x, cache)
        cache.winner = cache.buffer("winner", y.shape, "uint8")
        kernel, stride, padding = self.kernel_hw, self.stride_hw, self.padding_hw
        self.ops.max_pool(x, kernel, stride, padding, out=y, winner=cache.winner)
        return channels_first(y)

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if not need_dx:
            return None
        dy, dx = self.prepare_backward(dy, cache)
        kernel, stride, padding = self.kernel_hw, self.stride_hw, self.padding_hw
        # dL/dx = sum of dy over the windows whose maximum is x
        self.ops.max_pool_backward(dy, cache.winner, kernel, stride, padding, out=dx)
        return channels_first(dx)


class AvgPool2d(Pool2d):
    """y[n, c, p, q] = the mean of x in the window, where padding counts as zeros.

    dL/dx = sum of dL/dy / (kh kw) over the windows that contain x. Shapes, parameters and errors
    are those of `MaxPool2d`, without the limit on taps.
    """

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        """No memory, but a pass over y for each tap, which takes as long."""
        return math.prod(y_shape) * math.prod(self.kernel_hw)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        x, y = self.prepare_forward(x, cache)
        self.ops.avg_pool(x, self.kernel_hw, self.stride_hw, self.padding_hw, out=y)
        return channels_first(y)

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if not need_dx:
            return None
        dy, dx = self.prepare_backward(dy, cache)
        # dL/dx = sum of dy / (kh kw) over the windows that contain x
        self.ops.avg_pool_backward(dy, self.kernel_hw, self.stride_hw, self.padding_hw, out=dx)
        return channels_first(dx)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        v, ddy = self.prepare_double_backward(v, cache)
        # dP/d(dy) = the mean of v in the window
        self.ops.avg_pool(v, self.kernel_hw, self.stride_hw, self.padding_hw, out=ddy)
        return channels_first(ddy), None


class Upsample(Resize2d):
    """y[n, c, h, w] = x[n, c, h // fh, w // fw], the nearest pixel.

    dL/dx is the sum of dL/dy over a pixel's fh fw copies. x: (N, C, H, W) -> y: (N, C, fh H, fw W).

    Parameters
    ----------
    factor : int or (vertical, horizontal)

    Raises
    ------
    ShapeError
        If x has another shape, or a factor is below 1.
    """

    def __init__(self, factor: IntOrPair = 2) -> None:
        super().__init__()
        self.factor, self.factor_hw = pair("Upsample", "factor", factor, 1)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected samples of shape (C, H, W), got {shape}")
        return (shape[0], shape[1] * self.factor_hw[0], shape[2] * self.factor_hw[1])

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        x, y = self.prepare_forward(x, cache)
        self.ops.upsample(x, self.factor_hw, out=y)
        return channels_first(y)

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if not need_dx:
            return None
        dy, dx = self.prepare_backward(dy, cache)
        self.ops.upsample_backward(dy, self.factor_hw, out=dx)  # dL/dx = sum of dy over the copies
        return channels_first(dx)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        v, ddy = self.prepare_double_backward(v, cache)
        self.ops.upsample(v, self.factor_hw, out=ddy)  # dP/d(dy) = v at the pixel it copies
        return channels_first(ddy), None
