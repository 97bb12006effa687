"""Layers at the start of a discriminator that is trained on few images.

A discriminator that sees every image, real or generated, moved or cut at random cannot learn a small training set by heart;
and since the gradient goes back through what was done, the generator learns to make whole images.
Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training" (DiffAugment).
"""

from nn.layers.conv import channels_last
from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.settings import real, whole

LARGEST = 3.4e38  # that float32 holds


class Augmentation(Layer):
    """What the two share: two uniform draws for each image of a training batch, one for its rows and one for its columns."""

    def __init__(self, fill):
        super().__init__()
        self.fill = real(type(self).__name__, "fill", fill, holds=lambda fill: -LARGEST < fill < LARGEST)

    def prepare(self, x, cache, train):
        """Check x; in training, draw into `cache.draws`, which is None in evaluation."""
        self.check_input(x, (None, None, None, None))
        self.output_shape(x.shape[1:])
        cache.draws = self.stream.uniform_(cache.buffer("draws", (len(x), 2))) if train else None

    def _check_images(self, shape, least, what):
        if len(shape) != 3 or min(shape[1:]) < least:
            raise ShapeError(f"{self.label}: expected images (C, H, W) {what}, got {shape}")
        return shape


class RandomShift(Augmentation):
    """In training, y[n, c, h, w] = x[n, c, h - i_n, w - j_n], fill where that is outside; y = x in evaluation.

    x: (N, C, H, W) -> y alike; y lies channels-last in memory. i_n and j_n are drawn for each image, whole numbers from
    -reach to reach, each as likely. fill: what comes in at the edges, the background: -1 for black where images are in
    [-1, 1]. Errors: `ShapeError` for x of another shape, an image that reach could move out of itself, or a fill that is no
    finite number. Source: the translation of DiffAugment, whose reach is an eighth of the side, with its zeros as `fill`.
    """

    def __init__(self, reach, fill=0.0):
        super().__init__(fill)
        self.reach = whole("RandomShift", "reach", reach)

    def output_shape(self, shape):
        return self._check_images(shape, self.reach + 1, f"larger than the reach of {self.reach}")

    def forward(self, x, cache, *, train=False):
        self.prepare(x, cache, train)
        if not train:
            return x
        y = cache.images("y", x.shape)
        x = cache.contiguous("x", channels_last(x))
        self.ops.shift_images(x, cache.draws, self.reach, self.fill, out=channels_last(y))
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return dy if cache.draws is None else self._shift(dy, cache, "dx", back=True)  # dL/dx = dy shifted back

    def double_backward(self, v, cache):
        return (v if cache.draws is None else self._shift(v, cache, "ddy")), None  # dP/d(dy) = v shifted as x was

    def _shift(self, gradient, cache, name, back=False):
        """A gradient moved with its images, or back: what comes in at the edges is nobody's, hence 0."""
        moved = cache.images(name, gradient.shape)
        gradient = cache.contiguous(name + "_last", channels_last(gradient))
        self.ops.shift_images(gradient, cache.draws, self.reach, 0.0, out=channels_last(moved), back=back)
        return moved


class Cutout(Augmentation):
    """In training, y = x with fill in a square of each image, drawn for each; y = x in evaluation.

    x: (N, C, H, W) -> y alike; y lies channels-last in memory. The square has `size` pixels a side; its centre is any place
    of the image, each as likely, and what lies outside is clipped. fill: -1 for black where images are in [-1, 1].
    Errors: `ShapeError` for x of another shape, an image smaller than the square, or a fill that is no finite number.
    Source: DeVries & Taylor 2017; as DiffAugment has it, whose size is half the side and whose fill is 0.
    """

    def __init__(self, size, fill=0.0):
        super().__init__(fill)
        self.size = whole("Cutout", "size", size)

    def output_shape(self, shape):
        return self._check_images(shape, self.size, f"no smaller than the square of {self.size}")

    def forward(self, x, cache, *, train=False):
        self.prepare(x, cache, train)
        if not train:
            return x
        y = cache.images("y", x.shape)
        self.ops.cut_out(channels_last(x), cache.draws, self.size, self.fill, out=channels_last(y))
        return y

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return dy if cache.draws is None else self._mask(dy, cache)  # dL/dx = dy, 0 in the square

    def double_backward(self, v, cache):
        return (v if cache.draws is None else self._mask(v, cache)), None  # dP/d(dy) = v, 0 in the square

    def _mask(self, gradient, cache):
        rows = channels_last(gradient)
        self.ops.cut_out(rows, cache.draws, self.size, 0.0, out=rows)
        return gradient
