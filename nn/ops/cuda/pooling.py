"""Pooling and up-sampling on a CUDA device: each result gathers what belongs to it, so that nothing is added atomically.

Images lie channels-last: x (N, H, W, C), y (N, P, Q, C). POOLING is written in the notation of `cuda_elementwise.py`.
"""

GEOMETRY = "int64 H, int64 W, int64 C, int64 P, int64 Q, int64 kh, int64 kw, int64 sh, int64 sw, int64 ph, int64 pw"
# a thread's output (n, p, q, c), and a loop over the taps (a, b) whose pixel (h, w) lies inside the image
WINDOW = (
    "long long c = i % C, q = i / C % Q, p = i / C / Q % P, n = i / C / Q / P;"
    "for (long long a = 0; a < kh; ++a) for (long long b = 0; b < kw; ++b) {"
    "  long long h = p * sh + a - ph, w = q * sw + b - pw;"
    "  if (h < 0 || h >= H || w < 0 || w >= W) continue;"
)
# a thread's pixel (n, h, w, c), and a loop over the outputs (p, q) that see it, each through its tap (a, b)
WINDOWS_OF_A_PIXEL = (
    "long long c = i % C, w = i / C % W + pw, h = i / C / W % H + ph, n = i / C / W / H;"
    "for (long long a = h % sh; a < kh && a <= h; a += sh) for (long long b = w % sw; b < kw && b <= w; b += sw) {"
    "  long long p = (h - a) / sh, q = (w - b) / sw;"
    "  if (p >= P || q >= Q) continue;"
    "  long long output = ((n * P + p) * Q + q) * C + c;"
)

POOLING = {
    "max_pool": (
        f"raw T x, {GEOMETRY}",
        "T y, uint8 winner",
        "T best = log(T(0)); bool inside = false; unsigned char tap = 0;"  # -infinity: NVRTC knows no macro for it
        + WINDOW
        + "T value = x[((n * H + h) * W + w) * C + c];"
        "  if (!inside || value > best || isnan(value)) { best = value; tap = (unsigned char)(a * kw + b); }"
        "  inside = true; }"
        "y = best; winner = tap",
    ),
    "max_pool_backward": (
        f"raw T dy, raw uint8 winner, {GEOMETRY}",
        "T dx",
        "T sum = 0;" + WINDOWS_OF_A_PIXEL + "if (winner[output] == a * kw + b) sum += dy[output]; } dx = sum",
    ),
    "avg_pool": (
        f"raw T x, {GEOMETRY}",
        "T y",
        "T sum = 0;" + WINDOW + "sum += x[((n * H + h) * W + w) * C + c]; } y = sum / (kh * kw)",
    ),
    "avg_pool_backward": (
        f"raw T dy, {GEOMETRY}",
        "T dx",
        "T sum = 0;" + WINDOWS_OF_A_PIXEL + "sum += dy[output]; } dx = sum / (kh * kw)",
    ),
    "upsample": (
        "raw T x, int64 H, int64 W, int64 C, int64 fh, int64 fw",
        "T y",
        "long long c = i % C, w = i / C % (W * fw) / fw, h = i / C / (W * fw) % (H * fh) / fh, n = i / C / (W * fw) / (H * fh);"
        "y = x[((n * H + h) * W + w) * C + c]",
    ),
    "upsample_backward": (
        "raw T dy, int64 H, int64 W, int64 C, int64 fh, int64 fw",
        "T dx",
        "long long c = i % C, w = i / C % W, nh = i / C / W; T sum = 0;"  # nh = n H + h: a sample's rows follow the last one's
        "for (long long a = 0; a < fh; ++a) for (long long b = 0; b < fw; ++b)"
        "  sum += dy[((nh * fh + a) * W * fw + w * fw + b) * C + c];"
        "dx = sum",
    ),
}


class CudaPooling:
    """What each computes stands in the docstrings of `NumpyPooling`; arrays are C-contiguous."""

    def max_pool(self, x, kernel, stride, padding, *, out, winner):
        self._kernel("max_pool")(x, *x.shape[1:], *out.shape[1:3], *kernel, *stride, *padding, out, winner)
        return out

    def max_pool_backward(self, dy, winner, kernel, stride, padding, *, out):
        self._kernel("max_pool_backward")(dy, winner, *out.shape[1:], *dy.shape[1:3], *kernel, *stride, *padding, out)
        return out

    def avg_pool(self, x, kernel, stride, padding, *, out):
        self._kernel("avg_pool")(x, *x.shape[1:], *out.shape[1:3], *kernel, *stride, *padding, out)
        return out

    def avg_pool_backward(self, dy, kernel, stride, padding, *, out):
        self._kernel("avg_pool_backward")(dy, *out.shape[1:], *dy.shape[1:3], *kernel, *stride, *padding, out)
        return out

    def upsample(self, x, factor, *, out):
        self._kernel("upsample")(x, *x.shape[1:], *factor, out)
        return out

    def upsample_backward(self, dy, factor, *, out):
        self._kernel("upsample_backward")(dy, *out.shape[1:], *factor, out)
        return out
