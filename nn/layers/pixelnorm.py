"""Pixel normalization."""

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, MaybeArray
from nn.layers.images import channels_first, channels_last
from nn.layers.row_normalization import RowNormalization
from nn.ops.base import Array
from nn.settings import Shape, real


class PixelNorm(RowNormalization):
    """y = x / sqrt(m(x^2) + eps), where m is the mean over features or channels.

    x: (N, n), or (N, C, H, W), where each pixel is divided by the size of its own channel vector;
    y: the same shape. There are no parameters. Training and evaluation are alike.

    Parameters
    ----------
    eps : float above 0

    Raises
    ------
    ShapeError
        If x has another shape.

    References
    ----------
    Source: Karras et al. 2018, "Progressive growing of GANs", section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import PixelNorm
    >>> y = PixelNorm().build(seed=0)(np.array([[3, 4], [0.6, 0.8]], np.float32))
    >>> print(np.round((y**2).mean(axis=1), 3).tolist())
    [1.0, 1.0]
    """

    centers = False

    def __init__(self, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = real("PixelNorm", "eps", eps, "above 0", lambda e: e > 0)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) not in (1, 3):
            raise ShapeError(
                f"{self.label}: expected samples of shape (n,) or (C, H, W), got {shape}"
            )
        return shape

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_array(x, "x")
        cache.y_shape = (len(x), *self.output_shape(x.shape[1:]))
        images = len(x.shape) == 4
        y = cache.image_buffer("y", x.shape) if images else cache.buffer("y", x.shape)
        out = (channels_last(y) if images else y).reshape(-1, x.shape[1])
        self.normalize_rows(self._rows(x, cache, "x"), cache, out=out)  # y = x / sqrt(m(x^2) + eps)
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if not need_dx:
            return None
        # dL/dx = r (dy - y m(dy y)), r = 1 / sqrt(m(x^2) + eps)
        dx = self.normalize_rows_backward(self._rows(dy, cache, "dy"), cache)
        return self._images(dx, dy.shape)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        ddy, ddx = self.normalize_rows_double_backward(self._rows(v, cache, "v"), cache)
        return self._images(ddy, v.shape), self._images(ddx, v.shape)

    def _rows(self, x: Array, cache: Cache, name: str) -> Array:
        """x as a matrix with a row for each sample or pixel."""
        rows = channels_last(x) if len(x.shape) == 4 else x
        return cache.contiguous(name, rows).reshape(-1, x.shape[1])

    def _images(self, rows: Array, shape: Shape) -> Array:
        """The matrix in the shape of x."""
        if len(shape) == 2:
            return rows
        N, C, H, W = shape
        return channels_first(rows.reshape(N, H, W, C))
