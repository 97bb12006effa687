"""Pooling and upsampling on a CUDA device."""

from __future__ import annotations

from nn.ops.base import Array, Pair
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

SIZES = ("H", "W", "C", "P", "Q", "kh", "kw", "sh", "sw", "ph", "pw")
PARAMETERS = ", ".join(f"int64 {size}" for size in SIZES)
GEOMETRY = f"Geometry{{{', '.join(SIZES)}}}"

POOLING = {
    "max_pool": Elementwise(
        f"raw T x, {PARAMETERS}",
        "T y, uint8 winner",
        f"y = max_pool<T>(x, i, {GEOMETRY}, winner)",
        "pooling",
    ),
    "max_pool_backward": Elementwise(
        f"raw T dy, raw uint8 winner, {PARAMETERS}",
        "T dx",
        f"dx = max_pool_backward<T>(dy, winner, i, {GEOMETRY})",
        "pooling",
    ),
    "avg_pool": Elementwise(
        f"raw T x, {PARAMETERS}", "T y", f"y = avg_pool<T>(x, i, {GEOMETRY})", "pooling"
    ),
    "avg_pool_backward": Elementwise(
        f"raw T dy, {PARAMETERS}",
        "T dx",
        f"dx = avg_pool_backward<T>(dy, i, {GEOMETRY})",
        "pooling",
    ),
    "upsample": Elementwise(
        "raw T x, int64 H, int64 W, int64 C, int64 fh, int64 fw",
        "T y",
        "y = upsample<T>(x, i, H, W, C, fh, fw)",
        "pooling",
    ),
    "upsample_backward": Elementwise(
        "raw T dy, int64 W, int64 C, int64 fh, int64 fw",
        "T dx",
        "dx = upsample_backward<T>(dy, i, W, C, fh, fw)",
        "pooling",
    ),
}


class CudaPooling(CudaPart):
    """Each primitive is one elementwise kernel."""

    def max_pool(
        self, x: Array, kernel: Pair, stride: Pair, padding: Pair, *, out: Array, winner: Array
    ) -> Array:
        geometry = *x.shape[1:], *out.shape[1:3], *kernel, *stride, *padding
        self.kernel("max_pool")(x, *geometry, out, winner)
        return out

    def max_pool_backward(
        self, dy: Array, winner: Array, kernel: Pair, stride: Pair, padding: Pair, *, out: Array
    ) -> Array:
        geometry = *out.shape[1:], *dy.shape[1:3], *kernel, *stride, *padding
        self.kernel("max_pool_backward")(dy, winner, *geometry, out)
        return out

    def avg_pool(self, x: Array, kernel: Pair, stride: Pair, padding: Pair, *, out: Array) -> Array:
        geometry = *x.shape[1:], *out.shape[1:3], *kernel, *stride, *padding
        self.kernel("avg_pool")(x, *geometry, out)
        return out

    def avg_pool_backward(
        self, dy: Array, kernel: Pair, stride: Pair, padding: Pair, *, out: Array
    ) -> Array:
        geometry = *out.shape[1:], *dy.shape[1:3], *kernel, *stride, *padding
        self.kernel("avg_pool_backward")(dy, *geometry, out)
        return out

    def upsample(self, x: Array, factor: Pair, *, out: Array) -> Array:
        self.kernel("upsample")(x, *x.shape[1:], *factor, out)
        return out

    def upsample_backward(self, dy: Array, factor: Pair, *, out: Array) -> Array:
        self.kernel("upsample_backward")(dy, *out.shape[2:], *factor, out)
        return out
