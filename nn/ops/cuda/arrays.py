"""Kernels for arrays on a CUDA device."""

from __future__ import annotations

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

ARRAYS = {
    "add": Elementwise("T x", "T y", "y += x"),
    "find_non_finite": Elementwise("T x", "raw int64 found", "if (!isfinite(x)) found[0] = 1"),
    "gather_rows": Elementwise(
        "raw uint8 bytes, raw int64 index, int64 n_rows, int64 row_size, T scale, T shift",
        "T y",
        "long long row = index[i / row_size];"
        "row = row < 0 ? 0 : row >= n_rows ? n_rows - 1 : row;"
        "y = scale * bytes[row * row_size + i % row_size] + shift",
    ),
}


class CudaArrays(CudaPart):
    """What needs CuPy itself, allocation and copies, is in `CudaOps`."""

    def add_(self, y: Array, x: Array) -> Array:
        self.kernel("add")(x, y)
        return y

    def gather_rows(
        self, bytes_: Array, index: Array, scale: float, shift: float, *, out: Array
    ) -> Array:
        row_size = out.size // len(index)
        self.kernel("gather_rows")(bytes_, index, len(bytes_), row_size, scale, shift, out)
        return out
