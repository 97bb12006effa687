"""Layer normalization."""

import math

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, MaybeArray
from nn.layers.row_normalization import AffineRowNormalization
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape, real, sample_shape


class LayerNorm(AffineRowNormalization):
    """y = W xhat + b with xhat = (x - mean) / sqrt(var + eps), for each sample by itself.

    x: (N, ..., *shape) -> y: the same shape. mean and (biased) var are over the last axes, those of
    `shape`; W and b: `shape`. Training and evaluation are alike.

    Parameters
    ----------
    shape : int or tuple of int
        The last axes of x: 128 for x of (N, 128), (C, H, W) for images.
    eps : float above 0

    Raises
    ------
    ShapeError
        If x does not end in `shape`.

    References
    ----------
    Source: Ba et al. 2016, "Layer normalization", eq. 4, with PyTorch's eps.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Dense, LayerNorm, Sequential
    >>> net = Sequential(Dense(3, 64), LayerNorm(64)).build(seed=0)
    >>> y = net(np.ones((2, 3), np.float32))
    >>> print(y.shape, abs(y.mean(axis=1)).max() < 1e-5, abs(y.std(axis=1) - 1).max() < 1e-2)
    (2, 64) True True
    """

    def __init__(self, shape: Shape | int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.shape = sample_shape("LayerNorm", "shape", shape)
        self.eps = real("LayerNorm", "eps", eps, "above 0", lambda e: e > 0)
        self.parameter_shapes = {"W": self.shape, "b": self.shape}

    @property
    def torch_layout(self) -> tuple[TorchArray, ...]:  # type: ignore[override]
        """As many axes as `shape`, in PyTorch's order."""
        axes = tuple(range(len(self.shape)))
        return TorchArray("W", "weight", axes), TorchArray("b", "bias", axes, optional=True)

    def output_shape(self, shape: Shape) -> Shape:
        if shape[-len(self.shape) :] != self.shape:
            raise ShapeError(
                f"{self.label}: expected samples of a shape that ends in {self.shape}, got {shape}"
            )
        return shape

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_array(x, "x")
        self.output_shape(x.shape[1:])
        cache.y_shape = x.shape
        rows, y = self._rows(x, cache, "x"), cache.buffer("y", x.shape)
        # xhat = (x - mean) / sqrt(var + eps)
        xhat = self.normalize_rows(rows, cache, out=cache.buffer("xhat", rows.shape))
        self.affine(xhat, out=self._flat(y))  # y = W xhat + b
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        rows = self._rows(dy, cache, "dy")
        dxhat = self.affine_backward(rows, cache.xhat, cache, grads=grads, need_dx=need_dx)
        if not need_dx:
            return None
        # dL/dx = r (dxhat - m(dxhat) - xhat m(dxhat xhat)), r = 1 / sqrt(var + eps)
        return self.normalize_rows_backward(dxhat, cache).reshape(dy.shape)

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        Jv, ddx = self.normalize_rows_double_backward(self._rows(v, cache, "v"), cache)
        return self.affine_double_backward(Jv, cache).reshape(v.shape), ddx.reshape(v.shape)

    def _rows(self, x: Array, cache: Cache, name: str) -> Array:
        """x as a matrix (n, size of W)."""
        return self._flat(cache.contiguous(name, x))

    def _flat(self, x: Array) -> Array:
        return x.reshape(-1, math.prod(self.shape))
