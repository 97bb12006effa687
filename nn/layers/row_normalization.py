"""What layers share that normalize the rows of a matrix."""

import math

import numpy as np

from nn.cache import Cache
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.settings import Shape


class RowNormalization(Layer):
    """Base of layers that normalize each row of a matrix: xhat = r (x - m(x)).

    Matrices are (n, D). m(a) is the mean of each row of a, a column; r = 1 / sqrt(var + eps) with
    the biased variance. Without `centers`, xhat = r x with r = 1 / sqrt(m(x^2) + eps).

    The Jacobian of a row, J g = r (g - m(g) - xhat m(g xhat)), is symmetric; without `centers`, it
    lacks the term m(g).
    """

    eps: float
    centers = True

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        return 2 * math.prod(x_shape)

    def normalize_rows(self, x: Array, cache: Cache, *, out: Array) -> Array:
        """xhat, in `out`, which must stay unchanged until the backward pass."""
        ops, D = self.ops, x.shape[1]
        cache.average = cache.buffer("average", (D, 1))  # m(x) = x average
        ops.fill_(cache.average, 1 / D)
        cache.xhat = xhat = out
        if self.centers:
            ops.subtract(x, self._row_means(x, cache, "mean"), out=xhat)
            # again, because the rounding error of a large mean may exceed x - m(x)
            ops.subtract(xhat, self._row_means(xhat, cache, "mean"), out=xhat)
        else:
            ops.copy_(xhat, x)
        square = ops.multiply(xhat, xhat, out=cache.buffer("product", x.shape))
        var = self._row_means(square, cache, "inv_std")
        cache.inv_std = ops.inverse_std(var, self.eps, out=var)  # r
        return ops.multiply(xhat, cache.inv_std, out=xhat)

    def normalize_rows_backward(self, dxhat: Array, cache: Cache) -> Array:
        """dx from dL/dxhat."""
        dx, cache.overlap = self._jacobian_times(dxhat, cache, "dx")  # dL/dx = J dxhat
        cache.dx = cache.copy_for_double_backward("dx_kept", dx)
        return dx

    def normalize_rows_double_backward(self, v: Array, cache: Cache) -> tuple[Array, Array]:
        """dP/d(dxhat) and dP/dx from v = dP/d(dx)."""
        ops = self.ops
        Jv, overlap = self._jacobian_times(v, cache, "v")  # dP/d(dxhat) = J v
        # dP/dx = -r (xhat m(v dx) + dx m(v xhat) + J v m(dxhat xhat))
        term = ops.multiply(v, cache.dx, out=cache.buffer("product", v.shape))
        scale = self._row_means(term, cache, "mean")
        ddx = ops.multiply(cache.xhat, scale, out=cache.buffer("ddx_rows", v.shape))
        ops.add_(ddx, ops.multiply(cache.dx, overlap, out=term))
        ops.add_(ddx, ops.multiply(Jv, cache.overlap, out=term))
        minus_r = ops.multiply(cache.inv_std, -1.0, out=scale)
        return Jv, ops.multiply(ddx, minus_r, out=ddx)

    def _jacobian_times(self, g: Array, cache: Cache, name: str) -> tuple[Array, Array]:
        """J g = r (g - m(g) - xhat m(g xhat)), and m(g xhat)."""
        ops, Jg = self.ops, cache.buffer(f"{name}_rows", g.shape)
        product = ops.multiply(g, cache.xhat, out=cache.buffer("product", g.shape))
        overlap = self._row_means(product, cache, f"{name}_overlap")
        ops.subtract(g, ops.multiply(cache.xhat, overlap, out=product), out=Jg)
        if self.centers:
            ops.subtract(Jg, self._row_means(g, cache, "mean"), out=Jg)
        return ops.multiply(Jg, cache.inv_std, out=Jg), overlap

    def _row_means(self, x: Array, cache: Cache, name: str) -> Array:
        """m(x), in a buffer of this name."""
        return self.ops.gemm(x, cache.average, out=cache.buffer(name, (len(x), 1)))


class AffineRowNormalization(RowNormalization):
    """Base of those with y = W xhat + b; y, xhat: (n, size of W)."""

    W: Array
    b: Array
    dW: Array
    db: Array

    def initialize(self, rng: np.random.Generator) -> None:
        self.ops.fill_(self.W, 1)
        self.ops.fill_(self.b, 0)

    def affine(self, xhat: Array, *, out: Array) -> None:
        """y = W xhat + b."""
        self.ops.scale_shift(xhat, self.W.reshape(-1), self.b.reshape(-1), out=out)

    def affine_backward(
        self, dy: Array, xhat: Array, cache: Cache, *, grads: Grads, need_dx: bool
    ) -> MaybeArray:
        """dL/dxhat, in dy's memory."""
        if grads != "skip":
            add, dW, db = grads == "add", self.dW.reshape(-1), self.db.reshape(-1)
            dW_here = cache.buffer("dW", dW.shape) if add else dW
            self.ops.sum_product_rows(dy, xhat, out=dW_here)  # dL/dW = sum_n dy_n xhat_n
            if add:
                self.ops.add_(dW, dW_here)
            self.ops.sum_rows(dy, out=db, add=add)  # dL/db = sum_n dy_n
        if not need_dx:
            return None
        cache.dy = cache.copy_for_double_backward("dy_kept", dy)
        return self.ops.multiply(dy, self.W.reshape(-1), out=dy)  # dL/dxhat = W dy

    def affine_double_backward(self, Jv: Array, cache: Cache) -> Array:
        """dP/d(dy) from J v = dP/d(dxhat), in its memory."""
        dW = cache.buffer("dW", (Jv.shape[1],))
        self.ops.sum_product_rows(cache.dy, Jv, out=dW)  # dxhat = W dy: dP/dW = sum_n dy_n J v_n
        self.ops.add_(self.dW.reshape(-1), dW)
        return self.ops.multiply(Jv, self.W.reshape(-1), out=Jv)  # dP/d(dy) = W J v
