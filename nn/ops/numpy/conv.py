"""Convolutions on the CPU, as matrix products.

Notation (im2col). Images are channels-last: x (N, H, W, C), y (N, P, Q, K); weights are
W (K, kh, kw, C). The window of output (n, p, q) is a row of kh kw C numbers,
x[n, p sh + i - ph, q sw + j - pw, c] for each tap (i, j) and channel c, zero outside the image. All
rows form the column matrix X (N P Q, kh kw C). With Y, dY as (N P Q, K) and W as (K, kh kw C):

    convolution              Y = X W^T + b
    weight gradient          dW = dY^T X
    transposed convolution   X = Y W, each element added to the pixel it came from (col2im)

The last is also the input gradient of the convolution, and the convolution is the input gradient of
the transposed one: three primitives serve both layers.

X is kh kw times as large as x, so it is never formed as a whole. The batch is cut into slices of at
least one image whose columns take about COLUMN_BYTES, so that the product finds them in the cache.
All layers of a backend share this working memory. Measurements chose among four forms:

- Rows: X as above. In channels-last memory, kw C numbers of a window are contiguous, so they are
  cheap to copy unless the channels are few.
- Taps, for up to FEW channels, where those runs are too short to copy fast: X transposed,
  (kh kw C, N P Q), so that each tap of the whole slice is one long copy.
- Phases, for the transposed convolution of more channels, where adding up overlapping windows would
  cost more than the product. The pixels h = sh i + r - ph with the same remainder r meet only the
  taps r, r + sh, ... and gather from y[i], y[i - 1], ...: each of the sh sw phases is a convolution
  of stride 1 with a part of the kernel, flipped, and writes its pixels once. With stride 1 there is
  one phase.
- Winograd's, for 3x3 kernels between many channels: fewer multiplications (winograd.py).
"""

from __future__ import annotations

import numpy as np

from nn.ops.base import Pair
from nn.ops.numpy import conv_transpose, winograd
from nn.ops.numpy.columns import FEW, column_slices
from nn.ops.numpy.products import NumpyProducts, product_plus_bias

NARROW = 32  # columns of X; below this, BLAS is faster on X^T dY than on dY^T X


class NumpyConv(NumpyProducts):
    """Choose the form of each convolution by its shapes."""

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
            return winograd.conv(self, x, W, b, padding, out)
        n_out = len(W)
        W_T = W.reshape(n_out, -1).T
        slices = column_slices(self.scratch, x, W.shape[1:3], stride, padding, out.shape[1:3])
        for part, X in slices:
            product_plus_bias(self, X, W_T, b, out=out[part].reshape(-1, n_out))  # Y = X W^T + b
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
            return winograd.conv_weight_grad(self, x, dy, padding, out, add)
        n_out, *kernel, _ = out.shape
        dW = out.reshape(n_out, -1)
        for part, X in column_slices(self.scratch, x, kernel, stride, padding, dy.shape[1:3]):
            dY = dy[part].reshape(-1, n_out)
            if X.shape[1] <= NARROW:
                product = self.scratch(dW.shape[::-1], dW.dtype, "conv.product")
                product = self.product(X.T, dY, out=product).T
                np.add(dW, product, out=dW) if add else np.copyto(dW, product)
            else:
                self.product(dY.T, X, out=dW, add=add)  # dW = dY^T X
            add = True  # the next slice's part of the sum
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
            return winograd.conv(self, y, W, b, [2 - p for p in padding], out, transposed=True)
        form = conv_transpose.by_taps if out.shape[3] <= FEW else conv_transpose.by_phases
        return form(self, y, W, b, stride, padding, out)
