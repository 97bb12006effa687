"""Augmentation inside the discriminator, for training on few images.

A discriminator that sees every image, real or generated, randomly shifted or cut cannot memorize a
small training set. The gradient goes back through the augmentation, so the generator still learns
to make whole images.

Source: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training"
(DiffAugment).
"""

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.images import channels_last
from nn.ops.base import Array
from nn.settings import Shape, integer, real

FLOAT32_MAX = 3.4e38  # rounded down


class Augmentation(Layer):
    """What both share: two uniform draws per training image, for its rows and its columns."""

    def __init__(self, fill: float) -> None:
        super().__init__()
        name = type(self).__name__
        self.fill = real(name, "fill", fill, holds=lambda f: -FLOAT32_MAX < f < FLOAT32_MAX)

    def prepare(self, x: Array, cache: Cache, train: bool) -> None:
        """Check x; draw into `cache.draws` in training, else set it to None."""
        self.check_input(x, (None, None, None, None))
        self.output_shape(x.shape[1:])
        cache.draws = self.stream.uniform_(cache.buffer("draws", (len(x), 2))) if train else None

    def _check_images(self, shape: Shape, least: int, what: str) -> Shape:
        """The shape, if it is (C, H, W) with sides of at least `least`."""
        if len(shape) != 3 or min(shape[1:]) < least:
            raise ShapeError(f"{self.label}: expected images (C, H, W) {what}, got {shape}")
        return shape


class RandomShift(Augmentation):
    """In training, y[n, c, h, w] = x[n, c, h - i_n, w - j_n], or fill outside; else y = x.

    i_n and j_n are integers drawn uniformly from -reach to reach for each image.
    x, y: (N, C, H, W); y is channels-last in memory.

    Parameters
    ----------
    reach : int
        The largest shift, in pixels; DiffAugment uses an eighth of the side.
    fill : float
        The value that comes in at the edges: -1 is black where images are in [-1, 1].

    Raises
    ------
    ShapeError
        If x has another shape, an image is not larger than `reach`, or `fill` is not finite.

    References
    ----------
    Source: the translation of DiffAugment, which fills with zeros.
    """

    def __init__(self, reach: int, fill: float = 0.0) -> None:
        super().__init__(fill)
        self.reach = integer("RandomShift", "reach", reach)

    def output_shape(self, shape: Shape) -> Shape:
        what = f"larger than the reach of {self.reach}"
        return self._check_images(shape, self.reach + 1, what)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.prepare(x, cache, train)
        if not train:
            return x
        y = cache.image_buffer("y", x.shape)
        x, out = cache.contiguous("x", channels_last(x)), channels_last(y)
        self.ops.shift_images(x, cache.draws, self.reach, self.fill, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        # dL/dx = dy shifted back
        return dy if cache.draws is None else self._shifted(dy, cache, "dx", back=True)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        # dP/d(dy) = v shifted as x was
        return v if cache.draws is None else self._shifted(v, cache, "ddy"), None

    def _shifted(self, gradient: Array, cache: Cache, name: str, back: bool = False) -> Array:
        """The gradient shifted with its images, or back; zeros come in at the edges."""
        shifted = cache.image_buffer(name, gradient.shape)
        gradient = cache.contiguous(name + "_last", channels_last(gradient))
        out = channels_last(shifted)
        self.ops.shift_images(gradient, cache.draws, self.reach, 0.0, out=out, back=back)
        return shifted


class Cutout(Augmentation):
    """In training, y = x with a square of `fill` in each image; in evaluation, y = x.

    The square's centre is drawn uniformly from the pixels of the image; the part outside the image
    is clipped. x, y: (N, C, H, W); y is channels-last in memory.

    Parameters
    ----------
    size : int
        The square's side in pixels; DiffAugment uses half the image's side.
    fill : float
        -1 is black where images are in [-1, 1].

    Raises
    ------
    ShapeError
        If x has another shape, an image is smaller than the square, or `fill` is not finite.

    References
    ----------
    Source: DeVries & Taylor 2017, as in DiffAugment, which fills with zeros.
    """

    def __init__(self, size: int, fill: float = 0.0) -> None:
        super().__init__(fill)
        self.size = integer("Cutout", "size", size)

    def output_shape(self, shape: Shape) -> Shape:
        return self._check_images(shape, self.size, f"no smaller than the square of {self.size}")

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.prepare(x, cache, train)
        if not train:
            return x
        y = cache.image_buffer("y", x.shape)
        out = channels_last(y)
        self.ops.cut_out(channels_last(x), cache.draws, self.size, self.fill, out=out)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        return dy if cache.draws is None else self._masked(dy, cache)  # dL/dx = dy, 0 in the square

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        # dP/d(dy) = v, 0 in the square
        return v if cache.draws is None else self._masked(v, cache), None

    def _masked(self, gradient: Array, cache: Cache) -> Array:
        """The gradient with zeros in the square, in place."""
        rows = channels_last(gradient)
        self.ops.cut_out(rows, cache.draws, self.size, 0.0, out=rows)
        return gradient
