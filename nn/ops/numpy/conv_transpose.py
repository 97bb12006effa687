"""The transposed convolution on the CPU, in two forms; notation and reasons in conv.py."""

from __future__ import annotations

import numpy as np

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.numpy.columns import batch_slices, copy_windows, padded_slices
from nn.ops.numpy.products import NumpyProducts, product_plus_bias


def by_phases(
    ops: NumpyProducts,
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None,
    stride: Pair,
    padding: Pair,
    out: np.ndarray,
) -> np.ndarray:
    """Compute each phase as a convolution of y, with stride 1, with some of the taps, reversed."""
    (sh, sw), (ph, pw) = stride, padding
    (_, H, W_out, C), (_, P, Q, K), (_, kh, kw, _) = out.shape, y.shape, W.shape
    rows, columns = phases_of(H, sh, ph, kh), phases_of(W_out, sw, pw, kw)
    before = ceil_div(kh, sh) - 1, ceil_div(kw, sw) - 1  # zeros above and to the left of y
    size = (
        before[0] + max(P, (H + ph - 1) // sh + 1),
        before[1] + max(Q, (W_out + pw - 1) // sw + 1),
    )
    phases = []
    for r, (h0, i0, n_rows, taps_h) in enumerate(rows):
        for s, (w0, j0, n_columns, taps_w) in enumerate(columns):
            shape = taps_h, taps_w, K, C
            weights = ops.scratch(shape, W.dtype, f"conv.weights{r}.{s}")
            np.copyto(weights, W[:, r::sh, s::sw][:, ::-1, ::-1].transpose(1, 2, 0, 3))
            first = before[0] + i0 - taps_h + 1, before[1] + j0 - taps_w + 1
            window = n_rows, n_columns, taps_h, taps_w * K
            phases.append((weights.reshape(-1, C), first, window, (h0, w0)))
    phase_pixels = ceil_div(H, sh) * ceil_div(W_out, sw)
    width = ceil_div(kh, sh) * ceil_div(kw, sw) * K
    for part, padded in padded_slices(ops.scratch, y, before, size, phase_pixels, width):
        for weights, first, window, (h0, w0) in phases:
            pixels = out[part, h0::sh, w0::sw]
            if not weights.size:  # a kernel smaller than its stride has phases without taps
                pixels[...] = 0 if b is None else b
                continue
            X = ops.scratch((len(padded), *window), y.dtype, "conv.columns")
            X = copy_windows(padded, (1, 1), first, out=X).reshape(-1, len(weights))
            product = pixels
            if not pixels.flags.c_contiguous:
                product = ops.scratch(pixels.shape, out.dtype, "conv.product")
            product_plus_bias(ops, X, weights, b, out=product.reshape(-1, C))
            if product is not pixels:
                np.copyto(pixels, product)
    return out


def phases_of(size: int, stride: int, padding: int, kernel: int) -> list[tuple[int, int, int, int]]:
    """For each remainder: (first pixel, its position in y, number of pixels, number of taps)."""
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


def by_taps(
    ops: NumpyProducts,
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None,
    stride: Pair,
    padding: Pair,
    out: np.ndarray,
) -> np.ndarray:
    """Compute X = Y W, transposed: a long row for each tap, which is added to shifted pixels."""
    (sh, sw), (ph, pw) = stride, padding
    (N, P, Q, K), (_, kh, kw, C), (_, H, W_out, _) = y.shape, W.shape, out.shape
    size = max(H + ph, (P - 1) * sh + kh), max(W_out + pw, (Q - 1) * sw + kw)
    W_T = W.reshape(K, -1).T
    for part in batch_slices(N, P * Q, kh * kw * C, y.itemsize):
        n = part.stop - part.start
        taps = ops.scratch((kh, kw, C, n, P, Q), y.dtype, "conv.columns")
        Y_T = y[part].reshape(-1, K).T
        ops.product(W_T, Y_T, out=taps.reshape(kh * kw * C, -1))  # X^T = W^T Y^T
        image = ops.scratch((C, n, *size), y.dtype, "conv.padded")
        image.fill(0)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + (P - 1) * sh + 1, sh)
                columns = slice(j, j + (Q - 1) * sw + 1, sw)
                pixels = image[:, :, rows, columns]
                np.add(pixels, taps[i, j], out=pixels)
        inside = image[:, :, ph : ph + H, pw : pw + W_out].transpose(1, 2, 3, 0)
        np.copyto(out[part], inside) if b is None else np.add(inside, b, out=out[part])
    return out
