"""Layers that make images smaller or larger, channel by channel, without parameters."""

from nn.layers.conv import channels_last
from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.settings import pair


class Pool2d(Layer):
    """What the pools share: windows of the kernel's size, a stride apart, over the image inside a frame of `padding`."""

    def __init__(self, kernel, stride=None, padding=0):
        super().__init__()
        name = type(self).__name__
        self.kernel, self._kernel = pair(name, "kernel", kernel, 1)
        self.stride, self._stride = (None, self._kernel) if stride is None else pair(name, "stride", stride, 1)
        self.padding, self._padding = pair(name, "padding", padding, 0)
        if any(2 * p > k for p, k in zip(self._padding, self._kernel)):
            raise ShapeError(f"{name}: expected a padding of at most half the kernel, got {padding} for {kernel}")

    def output_shape(self, shape):
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected samples of shape (C, H, W), got {shape}")
        sizes = []
        for name, n, k, s, p in zip(("height", "width"), shape[1:], self._kernel, self._stride, self._padding):
            sizes.append((n + 2 * p - k) // s + 1)
            if sizes[-1] < 1:
                arithmetic = f"({n} + 2*{p} - {k}) // {s} + 1 = {sizes[-1]}"
                raise ShapeError(f"{self.label}: expected an output {name} of at least 1, got {arithmetic}")
        return (shape[0], *sizes)

    def prepare(self, x, cache):
        """x and y, both channels-last, for a forward pass."""
        self.check_input(x, (None, None, None, None))
        cache.x_shape = x.shape
        cache.y_shape = (len(x), *self.output_shape(x.shape[1:]))
        y = channels_last(cache.images("y", cache.y_shape))
        return cache.contiguous("x", channels_last(x)), y


class MaxPool2d(Pool2d):
    """y[n, c, p, q] = the largest x in the window; dL/dx is dL/dy where x was it (the first of equal ones), else 0.

    x: (N, C, H, W) -> y: (N, C, P, Q), P = (H + 2 ph - kh) // sh + 1, Q alike. kernel, stride (None: the kernel's), padding: an
    int, or a pair (vertical, horizontal); padding never wins. Errors: `ShapeError` for another shape, a kernel that the
    padded image does not hold, a padding of more than half the kernel, or a kernel of more than 256 taps: the winner of a
    window is remembered as a byte.
    """

    def __init__(self, kernel, stride=None, padding=0):
        super().__init__(kernel, stride, padding)
        if self._kernel[0] * self._kernel[1] > 256:
            raise ShapeError(f"MaxPool2d: expected a kernel of at most 256 taps, got {kernel}")

    def forward(self, x, cache, *, train=False):
        x, y = self.prepare(x, cache)
        cache.winner = cache.buffer("winner", y.shape, "uint8")
        self.ops.max_pool(x, self._kernel, self._stride, self._padding, out=y, winner=cache.winner)
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        if need_dx:
            dx = cache.images("dx", cache.x_shape)
            dy = cache.contiguous("dy", channels_last(dy))
            self.ops.max_pool_backward(dy, cache.winner, self._kernel, self._stride, self._padding, out=channels_last(dx))
            return dx


class AvgPool2d(Pool2d):
    """y[n, c, p, q] = the mean of x over the window, padding counted as zeros; dL/dx = sum of dL/dy / (kh kw) over windows.

    Shapes, settings and errors are those of `MaxPool2d`, but for the limit on taps.
    """

    def forward(self, x, cache, *, train=False):
        x, y = self.prepare(x, cache)
        self.ops.avg_pool(x, self._kernel, self._stride, self._padding, out=y)
        return y.transpose(0, 3, 1, 2)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        if need_dx:
            dx = cache.images("dx", cache.x_shape)
            dy = cache.contiguous("dy", channels_last(dy))
            self.ops.avg_pool_backward(dy, self._kernel, self._stride, self._padding, out=channels_last(dx))
            return dx

    def double_backward(self, v, cache):
        ddy = cache.images("ddy", (len(v), *self.output_shape(v.shape[1:])))
        v = cache.contiguous("v", channels_last(v))
        self.ops.avg_pool(v, self._kernel, self._stride, self._padding, out=channels_last(ddy))  # dP/d(dy) = means of v
        return ddy, None


class Upsample(Layer):
    """y[n, c, h, w] = x[n, c, h // fh, w // fw]: the nearest pixel; dL/dx is the sum of dL/dy over a pixel's fh fw copies.

    x: (N, C, H, W) -> y: (N, C, fh H, fw W). factor: an int, or a pair (vertical, horizontal). Errors: `ShapeError` for x of
    another shape, or a factor below 1.
    """

    def __init__(self, factor=2):
        super().__init__()
        self.factor, self._factor = pair("Upsample", "factor", factor, 1)

    def output_shape(self, shape):
        if len(shape) != 3:
            raise ShapeError(f"{self.label}: expected samples of shape (C, H, W), got {shape}")
        return (shape[0], shape[1] * self._factor[0], shape[2] * self._factor[1])

    def forward(self, x, cache, *, train=False):
        self.check_input(x, (None, None, None, None))
        cache.x_shape = x.shape
        cache.y_shape = (len(x), *self.output_shape(x.shape[1:]))
        y = cache.images("y", cache.y_shape)
        self.ops.upsample(cache.contiguous("x", channels_last(x)), self._factor, out=channels_last(y))
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        if need_dx:
            dx = cache.images("dx", cache.x_shape)
            dy = cache.contiguous("dy", channels_last(dy))
            self.ops.upsample_backward(dy, self._factor, out=channels_last(dx))  # dL/dx = sum of dy over the copies
            return dx

    def double_backward(self, v, cache):
        ddy = cache.images("ddy", (len(v), *self.output_shape(v.shape[1:])))
        self.ops.upsample(cache.contiguous("v", channels_last(v)), self._factor, out=channels_last(ddy))  # dP/d(dy) = v's pixel
        return ddy, None
