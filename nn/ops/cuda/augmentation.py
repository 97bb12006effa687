"""Random shifts and cut-outs of images on a CUDA device."""

from __future__ import annotations

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

AUGMENTATION = {
    "shift_images": Elementwise(
        "raw T x, raw T draws, int64 H, int64 W, int64 C, int64 reach, T fill, int64 sign",
        "T y",
        "y = shift_images<T>(x, draws, i, H, W, C, reach, fill, sign)",
        "augmentation",
    ),
    "cut_out": Elementwise(
        "T x, raw T draws, int64 H, int64 W, int64 C, int64 size, T fill",
        "T y",
        "y = is_cut_out(draws, i, H, W, C, size) ? fill : x",
        "augmentation",
    ),
}


class CudaAugmentation(CudaPart):
    """`draws`, and the x of a shift, must be C-contiguous."""

    def shift_images(
        self,
        x: Array,
        draws: Array,
        reach: int,
        fill: float,
        *,
        out: Array,
        back: bool = False,
    ) -> Array:
        sign = -1 if back else 1
        self.kernel("shift_images")(x, draws, *x.shape[1:], reach, fill, sign, out)
        return out

    def cut_out(self, x: Array, draws: Array, size: int, fill: float, *, out: Array) -> Array:
        self.kernel("cut_out")(x, draws, *x.shape[1:], size, fill, out)
        return out
