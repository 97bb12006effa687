"""Convolutions of 3x3 kernels with a quarter of the multiplications: Winograd's F(4x4, 3x3).

In one dimension, four results y_j = sum_k d_(j+k) g_k take 12 multiplications. As polynomials,
filtering is a product of degree 5, which its values at six points determine, with one
multiplication for each point. With matrices that depend only on the points (Toom and Cook's
evaluation and interpolation, transposed):

    y = A ((G g) * (B d))        d: 6 numbers, g: 3, y: 4, and * multiplies element by element

In two dimensions, a tile of 6x6 pixels gives 4x4 results, and the matrices act on rows and on
columns. As Kronecker products they are (16, 36), (36, 9) and (36, 36) and act on pixels and taps
written as vectors. With channels, for each of the 36 elements e:

    D = B d, U = G w           tiles (36, T, C) and weights (36, K, C); T = N x tiles of an image
    M_e = D_e U_e^T            36 products (T, C) (C, K) in place of one (16 T, 9 C) (9 C, K):
                               36 T C K multiplications, not 144 T C K
    y = A M                    (16, T, K)

All of it is linear, so the gradient of w is G^T applied to (A^T dy)_e^T D_e. The three small
transformations are products too, over all tiles and channels at once. They cost 36 (36 C + 16 K) T,
so the form pays off where C and K are large and where the 4x4 tiles do not reach far beyond the
results. In float32, rounding errors grow from 3e-7 of a typical result to about 2e-6. The points 0,
+-3/4, +-3/2, which are exact in floating point, and infinity keep them four times smaller than
0, +-1, +-2, the usual ones.

References
----------
Winograd 1980, "Arithmetic complexity of computations".
Lavin & Gray 2016, "Fast algorithms for convolutional neural networks".
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.numpy.products import NumpyProducts

TILE, TAPS = 4, 3
SIDE = TILE + TAPS - 1
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity
CHANNELS = 64  # least C K / (C + K): what the products save over what the transformations cost
GAIN = 1.5  # least factor by which the products shrink, counting tiles beyond the results
TILES = 128  # least T, over which the weights' transformation is amortized
# tiles in a slice of the batch, which are the rows of each product: 64 is up to a fifth slower, 512
# no faster
AT_ONCE = 256


@functools.cache
def matrices(dtype: Any) -> list[np.ndarray]:
    """Return A (16, 36), G (36, 9) and B (36, 36)."""
    points = np.array(POINTS)
    others = [np.delete(points, i) for i in range(len(points))]
    # at infinity, only the highest power counts
    A = np.vstack([np.vander(points, TILE, increasing=True), np.eye(TILE)[-1]]).T
    scales = [[np.prod(p - rest)] for p, rest in zip(points, others)]
    G = np.vstack([np.vander(points, TAPS, increasing=True) / scales, np.eye(TAPS)[-1]])
    # Lagrange's polynomials
    B = np.array([*([*np.poly(rest)[::-1], 0] for rest in others), np.poly(points)[::-1]])
    return [np.kron(x, x).astype(dtype) for x in (A, G, B)]


def pays(W_shape: Pair, stride: Pair, padding: Pair, results: Pair) -> bool:
    """Whether this form is faster, as measured.

    W_shape is (K, kh, kw, C), results (N, P, Q, channels).
    """
    (K, *kernel, C), (N, P, Q, _) = W_shape, results
    if kernel != [TAPS, TAPS] or tuple(stride) != (1, 1) or max(padding) >= TAPS:
        return False
    tiles = ceil_div(P, TILE) * ceil_div(Q, TILE)
    if C * K < CHANNELS * (C + K) or N * tiles < TILES:
        return False
    return GAIN * tiles * SIDE**2 <= P * Q * TAPS**2


def conv(
    ops: NumpyProducts,
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None,
    padding: Pair,
    out: np.ndarray,
    *,
    transposed: bool = False,
) -> np.ndarray:
    """Convolve, or convolve with the taps reversed and K and C swapped, which is the transposed."""
    A, G, _ = matrices(x.dtype)
    K, _, _, C = W.shape
    w = ops.scratch((TAPS**2, K, C), W.dtype, "winograd.taps")
    taps = W.reshape(K, -1, C).transpose(1, 0, 2)
    np.copyto(w, taps[::-1] if transposed else taps)
    U = ops.scratch((SIDE**2, K, C), W.dtype, "winograd.weights")
    ops.product(G, w.reshape(TAPS**2, -1), out=U.reshape(SIDE**2, -1))  # U = G w
    U = U if transposed else U.transpose(0, 2, 1)
    for part, D in transformed_tiles(ops, x, padding, out.shape[1:3]):
        n, n_out = part.stop - part.start, out.shape[3]
        M = ops.scratch((*D.shape[:2], n_out), x.dtype, "winograd.products")
        ops.product(D, U, out=M)  # M_e = D_e U_e^T
        Y = ops.scratch((TILE**2, M[0].size), x.dtype, "winograd.results")
        ops.product(A, M.reshape(SIDE**2, -1), out=Y)  # y = A M
        tiles = Y.reshape(TILE, TILE, n, -1, ceil_div(out.shape[2], TILE), n_out)
        for pixels, tile in places(out[part], tiles):
            np.copyto(pixels, tile) if b is None else np.add(tile, b, out=pixels)
    return out


def conv_weight_grad(
    ops: NumpyProducts,
    x: np.ndarray,
    dy: np.ndarray,
    padding: Pair,
    out: np.ndarray,
    add: bool,
) -> np.ndarray:
    """dW = G^T applied to the sum over tiles of (A^T dy)_e^T D_e."""
    A, G, _ = matrices(x.dtype)
    K, _, _, C = out.shape
    dw = ops.scratch((TAPS**2, K, C), x.dtype, "winograd.taps")
    for part, D in transformed_tiles(ops, x, padding, dy.shape[1:3]):
        n, T = part.stop - part.start, D.shape[1]
        Y = ops.scratch((TILE**2, T * K), x.dtype, "winograd.results")
        Y.fill(0)  # tiles reach beyond the results
        tiles = Y.reshape(TILE, TILE, n, -1, ceil_div(dy.shape[2], TILE), K)
        for pixels, tile in places(dy[part], tiles):
            np.copyto(tile, pixels)
        M = ops.scratch((SIDE**2, T, K), x.dtype, "winograd.products")
        ops.product(A.T, Y, out=M.reshape(SIDE**2, -1))
        dU = ops.scratch((SIDE**2, K, C), x.dtype, "winograd.weights")
        ops.product(M.transpose(0, 2, 1), D, out=dU)
        ops.product(G.T, dU.reshape(SIDE**2, -1), out=dw.reshape(TAPS**2, -1))
        taps, share = out.reshape(K, -1, C), dw.transpose(1, 0, 2)
        np.add(taps, share, out=taps) if add else np.copyto(taps, share)
        add = True  # the next slice's part of the sum
    return out


def transformed_tiles(
    ops: NumpyProducts, x: np.ndarray, padding: Pair, size: Pair
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (slice of the batch, D = B d for its tiles)."""
    _, _, B = matrices(x.dtype)
    (N, H, W, C), (ph, pw) = x.shape, padding
    th, tw = (ceil_div(n, TILE) for n in size)
    step = ceil_div(N, ceil_div(N, max(1, AT_ONCE // (th * tw))))
    shape = step, th * TILE + TAPS - 1, tw * TILE + TAPS - 1, C
    frame = ops.scratch(shape, x.dtype, "winograd.frame")
    frame.fill(0)
    n, h, w, c = frame.strides
    for i in range(0, N, step):
        m = min(step, N - i)
        np.copyto(frame[:m, ph : ph + H, pw : pw + W], x[i : i + m])
        strides = h, w, n, TILE * h, TILE * w, c
        tiles = as_strided(frame, (SIDE, SIDE, m, th, tw, C), strides)
        d = ops.scratch(tiles.shape, x.dtype, "winograd.tiles")
        np.copyto(d, tiles)
        D = ops.scratch((SIDE**2, m * th * tw, C), x.dtype, "winograd.transformed")
        ops.product(B, d.reshape(SIDE**2, -1), out=D.reshape(SIDE**2, -1))  # D = B d
        yield slice(i, i + m), D


def places(images: np.ndarray, tiles: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each position in a 4x4 tile, (its pixels in the images, its part of the tiles).

    tiles is (4, 4, N, tiles down, tiles across, K).
    """
    for i in range(TILE):
        for j in range(TILE):
            pixels = images[:, i::TILE, j::TILE]
            yield pixels, tiles[i, j, :, : pixels.shape[1], : pixels.shape[2]]
