"""Convolutions on the CPU, as matrix products.

Notation (im2col). Images are channels-last: x (N, H, W, C), y (N, P, Q, K); weights
W (K, kh, kw, C). The window of output (n, p, q) is a row of kh kw C numbers,
x[n, p sh + a - ph, q sw + b - pw, c] for every tap (a, b) and channel c, zero outside the image.
All rows form the column matrix X (N P Q, kh kw C). With Y, dY as (N P Q, K), W as (K, kh kw C):

    convolution              Y = X W^T + b
    weight gradient          dW = dY^T X
    transposed convolution   X = Y W, each element added to the pixel it was taken from (col2im)

The last is also the input gradient of the convolution, and the convolution that of the transposed
one: three primitives serve both layers. X is kh kw times as large as x, so it is never formed as a
whole: the batch is cut into slices, of at least one image, whose columns take about COLUMN_BYTES,
and the product finds them in the cache. All layers of a backend share this working memory. Three
forms, chosen by measurement, and a fourth with fewer multiplications, for 3x3 kernels between many
channels (winograd.py):

- rows: X as above. In channels-last memory, kw C numbers of a window are contiguous: copying them
  is cheap from a few channels on.
- taps, for up to FEW channels, where those runs are too short to copy fast: X transposed,
  (kh kw C, N P Q), so that one tap of the whole slice is one long copy.
- phases, for the transposed convolution of more channels: adding up overlapping windows would cost
  more than the product. But the pixels h = sh i + r - ph of one remainder r only meet the taps
  r, r + sh, ..., and gather from y[i], y[i - 1], ...: each of the sh sw phases is a convolution of
  stride 1 with a part of the kernel, flipped, and writes its pixels once. With stride 1 there is
  one phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.numpy import winograd

# of a slice's columns: 1 and 2 MiB are best, 4 and 8 up to a third slower, with 1 MiB L2 a core
COLUMN_BYTES = 2 << 20
MIN_ROWS = 512  # of a product, however large its columns: BLAS is slow on fewer
FEW = 4  # channels
NARROW = 32  # columns of X: below this, BLAS is faster on X^T dY than on dY^T X

Slices = Iterator[tuple[slice, np.ndarray]]  # (part of the batch, its columns or padded images)


class NumpyConv(winograd.NumpyWinograd):
    """Convolution, its adjoint and its weight gradient."""

    def conv(
        self,
        x: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if winograd.pays(W.shape, stride, padding, out.shape):
            return self._winograd_conv(x, W, b, padding, out)
        n_out = len(W)
        W_T = W.reshape(n_out, -1).T
        for part, X in self._columns(x, W.shape[1:3], stride, padding, out.shape[1:3]):
            self._affine(X, W_T, b, out=out[part].reshape(-1, n_out))  # Y = X W^T + b
        return out

    def conv_weight_grad(
        self,
        x: np.ndarray,
        dy: np.ndarray,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
        add: bool = False,
    ) -> np.ndarray:
        if winograd.pays(out.shape, stride, padding, dy.shape):
            return self._winograd_weight_grad(x, dy, padding, out, add)
        n_out, *kernel, _ = out.shape
        dW = out.reshape(n_out, -1)
        for part, X in self._columns(x, kernel, stride, padding, dy.shape[1:3]):
            dY = dy[part].reshape(-1, n_out)
            if X.shape[1] <= NARROW:
                product = self.scratch(dW.shape[::-1], dW.dtype, "conv.product")
                product = self.product(X.T, dY, out=product).T
                np.add(dW, product, out=dW) if add else np.copyto(dW, product)
            else:
                self.product(dY.T, X, out=dW, add=add)  # dW = dY^T X
            add = True  # the next slice's share
        return out

    def conv_transpose(
        self,
        y: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        if winograd.pays(W.shape, stride, padding, out.shape):
            # with stride 1, it is a convolution with more padding
            return self._winograd_conv(y, W, b, [2 - p for p in padding], out, transposed=True)
        if out.shape[3] <= FEW:
            return self._conv_transpose_by_taps(y, W, b, stride, padding, out)
        return self._conv_transpose_by_phases(y, W, b, stride, padding, out)

    def _affine(
        self, X: np.ndarray, W: np.ndarray, b: np.ndarray | None, *, out: np.ndarray
    ) -> np.ndarray:
        """out = X W + b; b may be None."""
        return self.product(X, W, out=out) if b is None else self.affine(X, W, b, out=out)

    def _columns(
        self, x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, size: Pair
    ) -> Slices:
        """Yield (slice of the batch, its columns X); the next one reuses the memory."""
        (kh, kw), (sh, sw), (ph, pw), (P, Q) = kernel, stride, padding, size
        _, H, W, C = x.shape
        frame = H + 2 * ph, W + 2 * pw
        for part, padded in self._padded_slices(x, (ph, pw), frame, P * Q, kh * kw * C):
            if C <= FEW:
                n, h, w, c = padded.strides
                shape = kh, kw, C, len(padded), P, Q
                taps = as_strided(padded, shape, (h, w, c, n, h * sh, w * sw))
                columns = self.scratch(shape, x.dtype, "conv.columns")
                np.copyto(columns, taps)
                yield part, columns.reshape(kh * kw * C, -1).T
            else:
                columns = self.scratch((len(padded), P, Q, kh, kw * C), x.dtype, "conv.columns")
                _copy_windows(padded, (sh, sw), out=columns)
                yield part, columns.reshape(-1, kh * kw * C)

    def _conv_transpose_by_phases(
        self,
        y: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        out: np.ndarray,
    ) -> np.ndarray:
        """Each phase is a convolution of y, with stride 1, with some of the taps, reversed."""
        (sh, sw), (ph, pw) = stride, padding
        (_, H, W_out, C), (_, P, Q, K), (_, kh, kw, _) = out.shape, y.shape, W.shape
        rows, columns = _phases(H, sh, ph, kh), _phases(W_out, sw, pw, kw)
        before = ceil_div(kh, sh) - 1, ceil_div(kw, sw) - 1  # zeros above and to the left of y
        size = (
            before[0] + max(P, (H + ph - 1) // sh + 1),
            before[1] + max(Q, (W_out + pw - 1) // sw + 1),
        )
        phases = []
        for r, (h0, i0, n_rows, taps_h) in enumerate(rows):
            for s, (w0, j0, n_columns, taps_w) in enumerate(columns):
                shape = taps_h, taps_w, K, C
                weights = self.scratch(shape, W.dtype, f"conv.weights{r}.{s}")
                np.copyto(weights, W[:, r::sh, s::sw][:, ::-1, ::-1].transpose(1, 2, 0, 3))
                first = before[0] + i0 - taps_h + 1, before[1] + j0 - taps_w + 1
                window = n_rows, n_columns, taps_h, taps_w * K
                phases.append((weights.reshape(-1, C), first, window, (h0, w0)))
        phase_pixels = ceil_div(H, sh) * ceil_div(W_out, sw)
        width = ceil_div(kh, sh) * ceil_div(kw, sw) * K
        for part, padded in self._padded_slices(y, before, size, phase_pixels, width):
            for weights, first, window, (h0, w0) in phases:
                pixels = out[part, h0::sh, w0::sw]
                if not weights.size:  # a kernel smaller than its stride has phases without taps
                    pixels[...] = 0 if b is None else b
                    continue
                X = self.scratch((len(padded), *window), y.dtype, "conv.columns")
                X = _copy_windows(padded, (1, 1), first, out=X).reshape(-1, len(weights))
                product = pixels
                if not pixels.flags.c_contiguous:
                    product = self.scratch(pixels.shape, out.dtype, "conv.product")
                self._affine(X, weights, b, out=product.reshape(-1, C))
                if product is not pixels:
                    np.copyto(pixels, product)
        return out

    def _conv_transpose_by_taps(
        self,
        y: np.ndarray,
        W: np.ndarray,
        b: np.ndarray | None,
        stride: Pair,
        padding: Pair,
        out: np.ndarray,
    ) -> np.ndarray:
        """X = Y W, transposed: one long row for each tap, added to the image at the tap's place."""
        (sh, sw), (ph, pw) = stride, padding
        (N, P, Q, K), (_, kh, kw, C), (_, H, W_out, _) = y.shape, W.shape, out.shape
        size = max(H + ph, (P - 1) * sh + kh), max(W_out + pw, (Q - 1) * sw + kw)
        W_T = W.reshape(K, -1).T
        for part in _slices(N, P * Q, kh * kw * C, y.itemsize):
            n = part.stop - part.start
            taps = self.scratch((kh, kw, C, n, P, Q), y.dtype, "conv.columns")
            Y_T = y[part].reshape(-1, K).T
            self.product(W_T, Y_T, out=taps.reshape(kh * kw * C, -1))  # X^T = W^T Y^T
            image = self.scratch((C, n, *size), y.dtype, "conv.padded")
            image.fill(0)
            for i in range(kh):
                for j in range(kw):
                    rows, columns = (
                        slice(i, i + (P - 1) * sh + 1, sh),
                        slice(j, j + (Q - 1) * sw + 1, sw),
                    )
                    pixels = image[:, :, rows, columns]
                    np.add(pixels, taps[i, j], out=pixels)
            inside = image[:, :, ph : ph + H, pw : pw + W_out].transpose(1, 2, 3, 0)
            np.copyto(out[part], inside) if b is None else np.add(inside, b, out=out[part])
        return out

    def _padded_slices(
        self, x: np.ndarray, before: Pair, size: Pair, rows: int, width: int
    ) -> Slices:
        """Yield (slice of the batch, its images in a frame of zeros).

        rows and width: the size of one image's columns.
        """
        (top, left), (N, H, W, C) = before, x.shape
        slices = _slices(N, rows, width, x.itemsize)
        frame = self.scratch((slices[0].stop, *size, C), x.dtype, "conv.padded")
        frame.fill(0)
        for part in slices:
            padded = frame[: part.stop - part.start]
            np.copyto(padded[:, top : top + H, left : left + W], x[part])
            yield part, padded


def _copy_windows(
    x: np.ndarray, stride: Pair, first: Pair = (0, 0), *, out: np.ndarray
) -> np.ndarray:
    """out (N, P, Q, kh, kw C) = the windows of x (N, H, W, C), from pixel `first` on."""
    (sh, sw), (n, h, w, c) = stride, x.strides
    strides: Any = n, h * sh, w * sw, h, c
    np.copyto(out, as_strided(x[:, first[0] :, first[1] :], out.shape, strides))
    return out


def _slices(n: int, rows: int, width: int, itemsize: int) -> list[slice]:
    """The batch in equal slices (the last may be smaller) of about COLUMN_BYTES of columns."""
    at_once = max(1, COLUMN_BYTES // (rows * width * itemsize), ceil_div(MIN_ROWS, rows))
    at_once = ceil_div(n, ceil_div(n, min(n, at_once)))
    return [slice(i, min(i + at_once, n)) for i in range(0, n, at_once)]


def _phases(size: int, stride: int, padding: int, kernel: int) -> list[tuple[int, int, int, int]]:
    """For each remainder: (first pixel, its place in y, number of pixels, number of taps)."""
    firsts = [(r - padding) % stride for r in range(stride)]
    return [
        (
            first,
            (first + padding) // stride,
            len(range(first, size, stride)),
            len(range(r, kernel, stride)),
        )
        for r, first in enumerate(firsts)
    ]
