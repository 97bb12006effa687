"""Products of stacks of matrices on a CUDA device."""

from __future__ import annotations

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

PRODUCTS = {
    "batched_gemm": Elementwise(
        "raw T a, raw T b, int64 rows, int64 depth, int64 columns, bool trans_a, bool trans_b",
        "T y",
        "long long column = i % columns, row = i / columns % rows, stack = i / columns / rows;"
        "T sum = 0;"
        "for (long long j = 0; j < depth; ++j) {"
        "    long long place = trans_a ? j * rows + row : row * depth + j;"
        "    T left = a[stack * rows * depth + place];"
        "    place = trans_b ? column * depth + j : j * columns + column;"
        "    sum += left * b[stack * depth * columns + place];"
        "}"
        "y = sum",
    ),
}


class CudaProducts(CudaPart):
    """cuBLAS computes the product of two matrices, in `CudaOps`."""

    def batched_gemm(
        self, a: Array, b: Array, *, out: Array, trans_a: bool = False, trans_b: bool = False
    ) -> Array:
        depth = a.shape[1] if trans_a else a.shape[2]
        _, rows, columns = out.shape
        self.kernel("batched_gemm")(a, b, rows, depth, columns, trans_a, trans_b, out)
        return out
