"""Convolutions on the CPU, as matrix products.

Notation (im2col). Images lie channels-last: x (N, H, W, C), y (N, P, Q, K); weights W (K, kh, kw, C). The window that output
(n, p, q) sees is a row of kh kw C numbers, x[n, p sh + a - ph, q sw + b - pw, c] for every tap (a, b) and channel c, zero
outside the image. All rows make the column matrix X (N P Q, kh kw C), and with Y, dY as (N P Q, K) and W as (K, kh kw C):

    convolution              Y = X W^T + b
    weight gradient          dW = dY^T X
    transposed convolution   X = Y W, each element added to the pixel that it was taken from (col2im)

The last is the convolution's input gradient too, and the convolution is that of the transposed one: three primitives do
for both layers. X is kh kw times as large as x, so it is not made as a whole: the batch is cut into slices, of one image at
least, whose columns take about COLUMN_BYTES, and the product finds them in the cache. All layers of a backend share this
working memory; what a pass must remember lies in its cache. Three forms of this, chosen by measurement, and a fourth
that multiplies less, for 3x3 kernels between many channels (numpy_winograd.py):

- rows: X as above. In channels-last memory a window's row is kw C numbers on end, so copying it is cheap from a few
  channels on.
- taps, for up to FEW channels, where those runs are too short to copy fast: X transposed, (kh kw C, N P Q), so that one tap
  of the whole slice is one long copy.
- phases, for the transposed convolution of more channels: adding up where windows overlap would cost more than the
  product. But the pixels h = sh i + r - ph of one remainder r only ever meet the taps r, r + sh, ..., and gather from
  y[i], y[i - 1], ...: each of the sh sw phases is a convolution of stride 1 with a part of the kernel, flipped, and writes
  its pixels once. With stride 1 there is one phase.

numba_conv.py does the same in compiled loops: copying windows, and adding where they overlap, then cost little.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.ops.numpy.winograd import NumpyWinograd

COLUMN_BYTES = 2 << 20  # of one slice's columns: 1 and 2 MiB are best, 4 and 8 up to a third slower, with 1 MiB of L2 a core
MIN_ROWS = 512  # of a product, whatever its columns take: BLAS is slow on fewer
FEW = 4  # channels
NARROW = 32  # columns of X: below this, BLAS is faster on X^T dY than on dY^T X


class NumpyConv(NumpyWinograd):
    """Convolution, its adjoint and its weight gradient; arrays are C-contiguous, stride and padding (vertical, horizontal)."""

    def conv(self, x, W, b, stride, padding, *, out):
        """out[n, p, q, k] = b[k] + sum over a, b, c of x[n, p sh + a - ph, q sw + b - pw, c] W[k, a, b, c]; b may be None."""
        if self._winograd_pays(W.shape, stride, padding, out.shape):
            return self._winograd_conv(x, W, b, padding, out)
        return self._conv(x, W, b, stride, padding, out)

    def _conv(self, x, W, b, stride, padding, out):
        n_out = len(W)
        W_T = W.reshape(n_out, -1).T
        for part, X in self._columns(x, W.shape[1:3], stride, padding, out.shape[1:3]):
            self._affine(X, W_T, b, out=out[part].reshape(-1, n_out))  # Y = X W^T + b
        return out

    def conv_weight_grad(self, x, dy, stride, padding, *, out, add=False):
        """out = dY^T X, or out += : the gradient of W, given that of conv's result."""
        if self._winograd_pays(out.shape, stride, padding, dy.shape):
            return self._winograd_weight_grad(x, dy, padding, out, add)
        return self._conv_weight_grad(x, dy, stride, padding, out, add)

    def _conv_weight_grad(self, x, dy, stride, padding, out, add):
        n_out, *kernel, _ = out.shape
        dW = out.reshape(n_out, -1)
        for part, X in self._columns(x, kernel, stride, padding, dy.shape[1:3]):
            dY = dy[part].reshape(-1, n_out)
            if X.shape[1] <= NARROW:
                product = self._product(X.T, dY, out=self._scratch(dW.shape[::-1], dW.dtype, "conv.product")).T
                np.add(dW, product, out=dW) if add else np.copyto(dW, product)
            else:
                self._product(dY.T, X, out=dW, add=add)
            add = True  # the next slice's share
        return out

    def conv_transpose(self, y, W, b, stride, padding, *, out):
        """out[n, h, w, c] = b[c] + sum of y[n, p, q, k] W[k, a, b, c] over k and all p sh + a - ph = h, q sw + b - pw = w.

        out's shape says how many pixels there are; those that no window covers get b. b may be None.
        """
        if self._winograd_pays(W.shape, stride, padding, out.shape):  # of stride 1, it is a convolution in a wider frame
            return self._winograd_conv(y, W, b, [2 - p for p in padding], out, transposed=True)
        return self._conv_transpose(y, W, b, stride, padding, out)

    def _conv_transpose(self, y, W, b, stride, padding, out):
        if out.shape[3] <= FEW:
            return self._conv_transpose_by_taps(y, W, b, stride, padding, out)
        return self._conv_transpose_by_phases(y, W, b, stride, padding, out)

    def _affine(self, X, W, b, *, out):
        """out = X W + b; b may be None."""
        return self._product(X, W, out=out) if b is None else self.affine(X, W, b, out=out)

    def _copy_windows(self, x, stride, first=(0, 0), *, out):
        """out (N, P, Q, kh, kw C): the windows of images x (N, H, W, C), the first at that pixel; a window's row lies on end."""
        (sh, sw), (n, h, w, c) = stride, x.strides
        np.copyto(out, as_strided(x[:, first[0] :, first[1] :], out.shape, (n, h * sh, w * sw, h, c)))
        return out

    def _columns(self, x, kernel, stride, padding, size):
        """Yield (slice of the batch, its columns X); the next step writes into the same memory."""
        (kh, kw), (sh, sw), (ph, pw), (P, Q) = kernel, stride, padding, size
        N, H, W, C = x.shape
        for part, padded in self._padded_slices(x, (ph, pw), (H + 2 * ph, W + 2 * pw), P * Q, kh * kw * C):
            if C <= FEW:
                n, h, w, c = padded.strides
                taps = as_strided(padded, (kh, kw, C, len(padded), P, Q), (h, w, c, n, h * sh, w * sw))
                columns = self._scratch(taps.shape, x.dtype, "conv.columns")
                np.copyto(columns, taps)
                yield part, columns.reshape(kh * kw * C, -1).T
            else:
                columns = self._scratch((len(padded), P, Q, kh, kw * C), x.dtype, "conv.columns")
                yield part, self._copy_windows(padded, (sh, sw), out=columns).reshape(-1, kh * kw * C)

    def _conv_transpose_by_phases(self, y, W, b, stride, padding, out):
        """Each phase is a convolution of stride 1 of y with the taps that its pixels meet, in reverse."""
        (sh, sw), (ph, pw) = stride, padding
        (_, H, W_out, C), (_, P, Q, K), (_, kh, kw, _) = out.shape, y.shape, W.shape
        rows, columns = _phases(H, sh, ph, kh), _phases(W_out, sw, pw, kw)
        before = -(-kh // sh) - 1, -(-kw // sw) - 1  # zeros above and to the left of y
        size = before[0] + max(P, (H + ph - 1) // sh + 1), before[1] + max(Q, (W_out + pw - 1) // sw + 1)
        phases = []
        for r, (h0, i0, n_rows, taps_h) in enumerate(rows):
            for s, (w0, j0, n_columns, taps_w) in enumerate(columns):
                weights = self._scratch((taps_h, taps_w, K, C), W.dtype, f"conv.weights{r}.{s}")
                np.copyto(weights, W[:, r::sh, s::sw][:, ::-1, ::-1].transpose(1, 2, 0, 3))
                first = before[0] + i0 - taps_h + 1, before[1] + j0 - taps_w + 1
                phases.append((weights.reshape(-1, C), first, (n_rows, n_columns, taps_h, taps_w * K), (h0, w0)))
        pixels_of_a_phase, width = -(-H // sh) * -(-W_out // sw), -(-kh // sh) * -(-kw // sw) * K
        for part, padded in self._padded_slices(y, before, size, pixels_of_a_phase, width):
            for weights, first, window, (h0, w0) in phases:
                pixels = out[part, h0::sh, w0::sw]
                if not weights.size:  # a kernel smaller than its stride leaves whole phases out
                    pixels[...] = 0 if b is None else b
                    continue
                X = self._scratch((len(padded), *window), y.dtype, "conv.columns")
                X = self._copy_windows(padded, (1, 1), first, out=X).reshape(-1, len(weights))
                in_place = pixels.flags.c_contiguous
                product = pixels if in_place else self._scratch(pixels.shape, out.dtype, "conv.product")
                self._affine(X, weights, b, out=product.reshape(-1, C))
                if not in_place:
                    np.copyto(pixels, product)
        return out

    def _conv_transpose_by_taps(self, y, W, b, stride, padding, out):
        """X = Y W, transposed: one long row for each tap, added to the image at the tap's place."""
        (sh, sw), (ph, pw) = stride, padding
        (N, P, Q, K), (_, kh, kw, C), (_, H, W_out, _) = y.shape, W.shape, out.shape
        size = max(H + ph, (P - 1) * sh + kh), max(W_out + pw, (Q - 1) * sw + kw)
        for part in self._slices(N, P * Q, kh * kw * C, y.itemsize):
            n = part.stop - part.start
            taps = self._scratch((kh, kw, C, n, P, Q), y.dtype, "conv.columns")
            self._product(W.reshape(K, -1).T, y[part].reshape(-1, K).T, out=taps.reshape(kh * kw * C, -1))  # X^T = W^T Y^T
            image = self._scratch((C, n, *size), y.dtype, "conv.padded")
            image.fill(0)
            for i in range(kh):
                for j in range(kw):
                    pixels = image[:, :, i : i + (P - 1) * sh + 1 : sh, j : j + (Q - 1) * sw + 1 : sw]
                    np.add(pixels, taps[i, j], out=pixels)
            inside = image[:, :, ph : ph + H, pw : pw + W_out].transpose(1, 2, 3, 0)
            np.copyto(out[part], inside) if b is None else np.add(inside, b, out=out[part])
        return out

    def _padded_slices(self, x, before, size, rows, width):
        """Yield (slice of the batch, its images inside a frame of zeros), for columns of so many rows each sample and width."""
        (top, left), (N, H, W, C) = before, x.shape
        slices = self._slices(N, rows, width, x.itemsize)
        frame = self._scratch((slices[0].stop, *size, C), x.dtype, "conv.padded")
        frame.fill(0)
        for part in slices:
            padded = frame[: part.stop - part.start]
            np.copyto(padded[:, top : top + H, left : left + W], x[part])
            yield part, padded

    def _slices(self, n, rows, width, itemsize):
        """The batch in slices of equal size, but for the last: columns of about COLUMN_BYTES, and at least MIN_ROWS rows."""
        at_once = max(1, COLUMN_BYTES // (rows * width * itemsize), -(-MIN_ROWS // rows))
        at_once = -(-n // -(-n // min(n, at_once)))
        return [slice(i, min(i + at_once, n)) for i in range(0, n, at_once)]


def _phases(size, stride, padding, kernel):
    """For each remainder: (first pixel, its place in y, number of pixels, number of taps); one without pixels is empty."""
    firsts = [(r - padding) % stride for r in range(stride)]
    return [
        (first, (first + padding) // stride, len(range(first, size, stride)), len(range(r, kernel, stride)))
        for r, first in enumerate(firsts)
    ]
