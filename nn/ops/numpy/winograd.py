"""Convolutions of 3x3 kernels and stride 1 with a quarter of the multiplications: Winograd's minimal filtering, F(4x4, 3x3).

In one dimension, four results y_j = sum_k d_(j+k) g_k take 12 multiplications. Seen as polynomials, a filter times data is a
product, and a product of degree 5 is known from its values at six points; one multiplication each. With matrices that
depend on the points alone (Toom & Cook's evaluation and interpolation, transposed):

    y = A ((G g) * (B d))        d: 6 numbers, g: 3, y: 4, and * multiplies element by element

In two dimensions a tile of 6x6 pixels gives 4x4 results, and the matrices act on rows and on columns: as Kronecker products,
(36, 36), (36, 9) and (16, 36), on pixels and taps written as vectors. Over channels, for each of the 36 elements e:

    D = B d, U = G w           tiles (36, T, C) and weights (36, K, C); T = N x tiles of an image
    M_e = D_e U_e^T            36 products (T, C) (C, K) in place of one (16 T, 9 C) (9 C, K): 36 T C K multiplications, not 144 T C K
    y = A M                    (16, T, K)

and since all of it is linear, the gradient of w is G^T applied to (A^T dy)_e^T D_e. The three small transformations are
products too, over all tiles and channels at once. They cost 36 (36 C + 16 K) T, so they pay where C and K are large, and
where the tiles, 4x4 each, do not reach far beyond the results. Rounding errors grow to about 2e-6 of the usual result, in
float32, from 3e-7: the points 0, +-3/4, +-3/2, which fit floats, and infinity keep them four times smaller than the usual
0, +-1, +-2. Source: Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks".
"""

import functools

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.ops.numpy.arrays import NumpyArrays

TILE, TAPS = 4, 3
SIDE = TILE + TAPS - 1
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
CHANNELS = 64  # the least C K / (C + K): what the products save, over what the transformations cost
GAIN = 1.5  # the least that the products shrink by, tiles beyond the results counted in
TILES = 128  # the least T, over which the weights' transformation is shared
AT_ONCE = 256  # tiles in one slice of the batch, the rows of each product: with 64, up to a fifth slower; with 512, no faster


@functools.cache
def matrices(dtype):
    """A (16, 36), G (36, 9) and B (36, 36)."""
    points = np.array(POINTS)
    others = [np.delete(points, i) for i in range(len(points))]
    A = np.vstack([np.vander(points, TILE, increasing=True), np.eye(TILE)[-1]]).T  # infinity sees the highest power
    G = np.vander(points, TAPS, increasing=True) / [[np.prod(p - rest)] for p, rest in zip(points, others)]
    B = np.array([*([*np.poly(rest)[::-1], 0] for rest in others), np.poly(points)[::-1]])  # Lagrange's polynomials
    return [np.kron(x, x).astype(dtype) for x in (A, np.vstack([G, np.eye(TAPS)[-1]]), B)]


class NumpyWinograd(NumpyArrays):
    """The three primitives of `numpy_conv.py` for the layers that `_winograd_pays` names; notation as above and there."""

    def _winograd_pays(self, W_shape, stride, padding, results):
        """Whether it is the faster form, by measurement, for W (K, kh, kw, C) and results (N, P, Q, channels)."""
        (K, *kernel, C), (N, P, Q, _) = W_shape, results
        tiles = -(-P // TILE) * -(-Q // TILE)
        fits = kernel == [TAPS, TAPS] and tuple(stride) == (1, 1) and max(padding) < TAPS
        return fits and C * K >= CHANNELS * (C + K) and N * tiles >= TILES and GAIN * tiles * SIDE**2 <= P * Q * TAPS**2

    def _winograd_conv(self, x, W, b, padding, out, *, transposed=False):
        """The convolution, or the transposed one: a convolution with the taps in reverse and K and C in each other's place."""
        A, G, _ = matrices(x.dtype)
        K, _, _, C = W.shape
        w = self._scratch((TAPS**2, K, C), W.dtype, "winograd.taps")
        taps = W.reshape(K, -1, C).transpose(1, 0, 2)
        np.copyto(w, taps[::-1] if transposed else taps)
        U = self._scratch((SIDE**2, K, C), W.dtype, "winograd.weights")
        self._product(G, w.reshape(TAPS**2, -1), out=U.reshape(SIDE**2, -1))  # U = G w
        U = U if transposed else U.transpose(0, 2, 1)
        for part, D in self._winograd_tiles(x, padding, out.shape[1:3]):
            n, n_out = part.stop - part.start, out.shape[3]
            M = self._scratch((*D.shape[:2], n_out), x.dtype, "winograd.products")
            self._product(D, U, out=M)  # M_e = D_e U_e^T
            Y = self._scratch((TILE**2, M[0].size), x.dtype, "winograd.results")
            self._product(A, M.reshape(SIDE**2, -1), out=Y)  # y = A M
            for pixels, tile in _places(out[part], Y.reshape(TILE, TILE, n, -1, -(-out.shape[2] // TILE), n_out)):
                np.copyto(pixels, tile) if b is None else np.add(tile, b, out=pixels)
        return out

    def _winograd_weight_grad(self, x, dy, padding, out, add):
        """dw = G^T of the sum over tiles of (A^T dy)_e^T D_e."""
        A, G, _ = matrices(x.dtype)
        K, _, _, C = out.shape
        dw = self._scratch((TAPS**2, K, C), x.dtype, "winograd.taps")
        for part, D in self._winograd_tiles(x, padding, dy.shape[1:3]):
            n, T = part.stop - part.start, D.shape[1]
            Y = self._scratch((TILE**2, T * K), x.dtype, "winograd.results")
            Y.fill(0)  # tiles reach beyond the results
            for pixels, tile in _places(dy[part], Y.reshape(TILE, TILE, n, -1, -(-dy.shape[2] // TILE), K)):
                np.copyto(tile, pixels)
            M = self._scratch((SIDE**2, T, K), x.dtype, "winograd.products")
            self._product(A.T, Y, out=M.reshape(SIDE**2, -1))
            dU = self._scratch((SIDE**2, K, C), x.dtype, "winograd.weights")
            self._product(M.transpose(0, 2, 1), D, out=dU)
            self._product(G.T, dU.reshape(SIDE**2, -1), out=dw.reshape(TAPS**2, -1))
            taps, share = out.reshape(K, -1, C), dw.transpose(1, 0, 2)
            np.add(taps, share, out=taps) if add else np.copyto(taps, share)
            add = True  # the next slice's share
        return out

    def _winograd_tiles(self, x, padding, size):
        """Yield (slice of the batch, D = B d of its tiles)."""
        _, _, B = matrices(x.dtype)
        (N, H, W, C), (ph, pw) = x.shape, padding
        th, tw = (-(-n // TILE) for n in size)
        step = -(-N // -(-N // max(1, AT_ONCE // (th * tw))))
        frame = self._scratch((step, th * TILE + TAPS - 1, tw * TILE + TAPS - 1, C), x.dtype, "winograd.frame")
        frame.fill(0)
        n, h, w, c = frame.strides
        for i in range(0, N, step):
            m = min(step, N - i)
            np.copyto(frame[:m, ph : ph + H, pw : pw + W], x[i : i + m])
            tiles = as_strided(frame, (SIDE, SIDE, m, th, tw, C), (h, w, n, TILE * h, TILE * w, c))
            d = self._scratch(tiles.shape, x.dtype, "winograd.tiles")
            np.copyto(d, tiles)
            D = self._scratch((SIDE**2, m * th * tw, C), x.dtype, "winograd.transformed")
            self._product(B, d.reshape(SIDE**2, -1), out=D.reshape(SIDE**2, -1))  # D = B d
            yield slice(i, i + m), D


def _places(images, tiles):
    """Each of the 4x4 places in a tile: (its pixels in the images, its share of tiles (4, 4, N, tiles down, across, K))."""
    for i in range(TILE):
        for j in range(TILE):
            pixels = images[:, i::TILE, j::TILE]
            yield pixels, tiles[i, j, :, : pixels.shape[1], : pixels.shape[2]]
