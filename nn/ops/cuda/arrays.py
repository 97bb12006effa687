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
    "take_rows": Elementwise(
        "raw T table, raw T index, int64 n_rows, int64 row_size",
        "T y",
        "T row = rint(index[i / row_size]);"
        "y = row >= 0 && row < n_rows ? table[(long long)row * row_size + i % row_size]"
        '    : T(nan(""))',
    ),
    "sum_rows_at": Elementwise(  # each element gathers its terms in order: no atomics, equal bytes
        "raw T x, raw T index, int64 n, int64 row_size, bool add",
        "T y",
        "T sum = add ? y : T(0);"
        "for (long long j = 0; j < n; ++j)"
        "    if (rint(index[j]) == i / row_size) sum += x[j * row_size + i % row_size];"
        "y = sum",
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

    def take_rows(self, table: Array, index: Array, *, out: Array) -> Array:
        self.kernel("take_rows")(table, index, *table.shape, out)
        return out

    def sum_rows_at(self, x: Array, index: Array, *, out: Array, add: bool = False) -> Array:
        self.kernel("sum_rows_at")(x, index, *x.shape, add, out)
        return out
