"""Convolutions on a CUDA device, as matrix products; notation as in nn/ops/numpy/conv.py."""

from __future__ import annotations

from typing import Any

from nn.ops.base import Array, Pair
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

CONV = {
    "im2col": Elementwise(
        "raw T x, int64 H, int64 W, int64 C, int64 P, int64 Q, int64 kw, int64 width,"
        "int64 sh, int64 sw, int64 ph, int64 pw",
        "T columns",
        "columns = im2col<T>(x, i, H, W, C, P, Q, kw, width, sh, sw, ph, pw)",
        "conv",
    ),
    "col2im": Elementwise(
        "raw T columns, T shift, int64 H, int64 W, int64 C, int64 P, int64 Q, int64 kh, int64 kw,"
        "int64 sh, int64 sw, int64 ph, int64 pw",
        "T pixel",
        "pixel = col2im<T>(columns, shift, i, H, W, C, P, Q, kh, kw, sh, sw, ph, pw)",
        "conv",
    ),
}


class CudaConv(CudaPart):
    """Form the whole column matrix X (N P Q, kh kw C).

    It takes kh kw times the memory of the images and allows one large product, which suits a GPU.
    """

    def conv(
        self, x: Array, W: Array, b: Array | None, stride: Pair, padding: Pair, *, out: Array
    ) -> Array:
        K = len(W)
        X = self._im2col(x, W.shape[1:3], stride, padding, out.shape[1:3])
        self.gemm(X, W.reshape(K, -1), trans_b=True, out=out.reshape(-1, K))  # Y = X W^T
        return out if b is None else self.add_(out, b)

    def conv_weight_grad(
        self, x: Array, dy: Array, stride: Pair, padding: Pair, *, out: Array, add: bool = False
    ) -> Array:
        K, *kernel, _ = out.shape
        X = self._im2col(x, kernel, stride, padding, dy.shape[1:3])
        dW = out.reshape(K, -1)
        self.gemm(dy.reshape(-1, K), X, trans_a=True, out=dW, add=add)  # dW = dY^T X
        return out

    def conv_transpose(
        self, y: Array, W: Array, b: Array | None, stride: Pair, padding: Pair, *, out: Array
    ) -> Array:
        (N, P, Q, K), (_, kh, kw, C), (_, H, W_out, _) = y.shape, W.shape, out.shape
        X = self._columns(N * P * Q, kh * kw * C, y.dtype)
        self.gemm(y.reshape(-1, K), W.reshape(K, -1), out=X)  # X = Y W
        shift = 0 if b is None else b
        self.kernel("col2im")(X, shift, H, W_out, C, P, Q, kh, kw, *stride, *padding, out)
        return out

    def _im2col(self, x: Array, kernel: Pair, stride: Pair, padding: Pair, size: Pair) -> Array:
        (kh, kw), (P, Q), (N, H, W, C) = kernel, size, x.shape
        X = self._columns(N * P * Q, kh * kw * C, x.dtype)
        self.kernel("im2col")(x, H, W, C, P, Q, kw, kh * kw * C, *stride, *padding, X)
        return X

    def _columns(self, rows: int, width: int, dtype: Any) -> Array:
        return self.scratch((rows, width), dtype, "columns")
