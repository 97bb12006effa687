"""Random shifts and cut-outs of images on a CUDA device, in the notation of `cuda_elementwise.py`.

Images lie channels-last, (N, H, W, C). Offsets are worked out from the draws in each thread: none goes through the host.
"""


def whole(draw, n):
    """A uniform draw on [0, 1) as a whole number from 0 to n - 1."""
    return f"(long long)({draw} * ({n}))"


PIXEL = "long long w = i / C % W, h = i / C / W % H, n = i / C / W / H;"  # of a thread

AUGMENTATION = {
    "shift_images": (
        "raw T x, raw T draws, int64 H, int64 W, int64 C, int64 reach, T fill, int64 sign",  # sign = 1, or -1 for back
        "T y",
        PIXEL + f"h -= sign * ({whole('draws[2 * n]', '2 * reach + 1')} - reach);"
        f"w -= sign * ({whole('draws[2 * n + 1]', '2 * reach + 1')} - reach);"
        "y = 0 <= h && h < H && 0 <= w && w < W ? x[((n * H + h) * W + w) * C + i % C] : fill",
    ),
    "cut_out": (
        "T x, raw T draws, int64 H, int64 W, int64 C, int64 size, T fill",
        "T y",
        PIXEL + f"long long top = {whole('draws[2 * n]', 'H + 1 - size % 2')} - size / 2;"
        f"long long left = {whole('draws[2 * n + 1]', 'W + 1 - size % 2')} - size / 2;"
        "y = top <= h && h < top + size && left <= w && w < left + size ? fill : x",
    ),
}


class CudaAugmentation:
    """What each computes stands in the docstrings of `NumpyAugmentation`; draws, and the x of a shift, are C-contiguous."""

    def shift_images(self, x, draws, reach, fill, *, out, back=False):
        self._kernel("shift_images")(x, draws, *x.shape[1:], reach, fill, -1 if back else 1, out)
        return out

    def cut_out(self, x, draws, size, fill, *, out):
        self._kernel("cut_out")(x, draws, *x.shape[1:], size, fill, out)
        return out
