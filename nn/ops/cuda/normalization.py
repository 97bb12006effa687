"""Sums over the rows of a matrix, and batch normalization, on a CUDA device."""

from __future__ import annotations

from collections.abc import Sequence

from nn.arithmetic import ceil_div
from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.reductions import DEPTH, THREADS, WIDTH
from nn.ops.cuda.sources import Elementwise

NORMALIZATION = {
    "normalize_backward": Elementwise(
        "T dy, T xhat, T W, T inv_std, T dW, T db, T n",
        "T dx",
        "dx = W * inv_std * (dy - (xhat * (dW / n) + db / n))",
    ),
    "scale_shift": Elementwise("T x, T scale, T shift", "T y", "y = x * scale + shift"),
    "shift_scale": Elementwise("T x, T shift, T scale", "T y", "y = (x - shift) * scale"),
    "inverse_std": Elementwise("T var, T eps", "T y", "y = 1 / sqrt(var + eps)"),
    "moving_average": Elementwise(
        "T value, T weight, T scale", "T average", "average += weight * (scale * value - average)"
    ),
}


class CudaNormalization(CudaPart):
    """Matrices that are summed must be C-contiguous."""

    def sum_rows(self, x: Array, *, out: Array, add: bool = False) -> Array:
        self._sum_columns("sum_rows", (x, out), x.shape, int(add))
        return out

    def sum_product_rows(self, x: Array, y: Array, *, out: Array) -> Array:
        self._sum_columns("sum_product_rows", (x, y, out), x.shape)
        return out

    def normalize(
        self, x: Array, eps: float, *, out: Array, mean: Array, var: Array, inv_std: Array
    ) -> Array:
        self._sum_columns("normalize", (x, out, mean, var, inv_std), x.shape, float(eps))
        return out

    def normalize_backward(
        self,
        dy: Array,
        xhat: Array,
        W: Array,
        inv_std: Array,
        dW: Array,
        db: Array,
        *,
        out: Array,
    ) -> Array:
        self.kernel("normalize_backward")(dy, xhat, W, inv_std, dW, db, len(dy), out)
        return out

    def scale_shift(self, x: Array, scale: Array, shift: Array, *, out: Array) -> Array:
        self.kernel("scale_shift")(x, scale, shift, out)
        return out

    def shift_scale(self, x: Array, shift: Array, scale: Array, *, out: Array) -> Array:
        self.kernel("shift_scale")(x, shift, scale, out)
        return out

    def inverse_std(self, var: Array, eps: float, *, out: Array) -> Array:
        self.kernel("inverse_std")(var, eps, out)
        return out

    def moving_average_(
        self, average: Array, value: Array, weight: float, *, scale: float = 1.0
    ) -> Array:
        self.kernel("moving_average")(value, weight, scale, average)
        return average

    def normalize_vector_(self, x: Array, tiny: float) -> Array:
        self.launch("normalize_vector", (1,), (THREADS,), (x,), x.size, float(tiny))
        return x

    def _sum_columns(
        self, name: str, arrays: Sequence[Array], shape: tuple[int, ...], *arguments: float
    ) -> None:
        rows, columns = shape
        grid = (ceil_div(columns, WIDTH),)
        self.launch(name, grid, (WIDTH, DEPTH), arrays, rows, columns, *arguments)
