"""Group normalization."""

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, MaybeArray
from nn.layers.images import channels_first, channels_last
from nn.layers.row_normalization import AffineRowNormalization
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape, integer, real


class GroupNorm(AffineRowNormalization):
    """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each group of channels.

    x: (N, n, H, W) -> y: the same shape; W, b: (n,). mean and (biased) var are over n / groups
    neighbouring channels of one image. Training and evaluation are alike. `groups=n` is instance
    normalization.

    Parameters
    ----------
    groups : int
        Divides n.
    n : int
        Channels.
    eps : float above 0

    Raises
    ------
    ShapeError
        If `groups` does not divide n, or x has another shape.

    References
    ----------
    Source: Wu & He 2018, "Group normalization", eq. 1-2 and 7, with PyTorch's eps.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Conv2d, GroupNorm, Sequential
    >>> net = Sequential(Conv2d(1, 8, 3, padding=1), GroupNorm(4, 8)).build(seed=0)
    >>> x = np.random.default_rng(0).standard_normal((2, 1, 6, 6), dtype=np.float32)
    >>> groups = net(x).reshape(2, 4, -1)
    >>> print(groups.shape, abs(groups.mean(axis=2)).max() < 1e-5)
    (2, 4, 72) True
    """

    torch_layout = (TorchArray("W", "weight", (0,)), TorchArray("b", "bias", (0,)))

    def __init__(self, groups: int, n: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.n = integer("GroupNorm", "groups", groups), integer("GroupNorm", "n", n)
        if self.n % self.groups:
            raise ShapeError(
                f"GroupNorm: expected groups to divide n, got groups={groups} and n={n}; "
                f"pass a divisor of {n}"
            )
        self.eps = real("GroupNorm", "eps", eps, "above 0", lambda e: e > 0)
        self.parameter_shapes = {"W": (self.n,), "b": (self.n,)}

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] != self.n:
            raise ShapeError(
                f"{self.label}: expected samples of shape ({self.n}, H, W), got {shape}"
            )
        return shape

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * super().workspace_size(x_shape, y_shape)  # in two memory orders

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, self.n, None, None))
        cache.y_shape, rows = x.shape, self._groups(x, cache, "x")
        # xhat = (x - mean) / sqrt(var + eps)
        xhat = self.normalize_rows(rows, cache, out=cache.buffer("xhat", rows.shape))
        cache.xhat_pixels = self._pixels(xhat.reshape(x.shape), cache, "xhat_pixels")
        y = cache.image_buffer("y", x.shape)
        self.affine(cache.xhat_pixels, out=channels_last(y).reshape(-1, self.n))  # y = W xhat + b
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        pixels = self._pixels(dy, cache, "dy_pixels")
        dxhat = self.affine_backward(pixels, cache.xhat_pixels, cache, grads=grads, need_dx=need_dx)
        if not need_dx:
            return None
        dxhat = self._groups(self._images(dxhat, dy.shape), cache, "dxhat")
        # dL/dx = r (dxhat - m(dxhat) - xhat m(dxhat xhat)), r = 1 / sqrt(var + eps)
        return self.normalize_rows_backward(dxhat, cache).reshape(dy.shape)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        Jv, ddx = self.normalize_rows_double_backward(self._groups(v, cache, "v"), cache)
        Jv = self._pixels(Jv.reshape(v.shape), cache, "Jv_pixels")
        ddy = self.affine_double_backward(Jv, cache)
        return self._images(ddy, v.shape), ddx.reshape(v.shape)

    def _groups(self, x: Array, cache: Cache, name: str) -> Array:
        """(N, n, H, W) as a matrix with a row for each group."""
        return cache.contiguous(name, x).reshape(len(x) * self.groups, -1)

    def _pixels(self, x: Array, cache: Cache, name: str) -> Array:
        """(N, n, H, W) as a matrix with a row for each pixel."""
        return cache.contiguous(name, channels_last(x)).reshape(-1, self.n)

    def _images(self, pixels: Array, shape: Shape) -> Array:
        """A matrix with a row for each pixel as (N, n, H, W)."""
        N, n, H, W = shape
        return channels_first(pixels.reshape(N, H, W, n))
