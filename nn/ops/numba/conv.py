"""Convolutions on the CPU's cores, for float32; notation as in nn/ops/numpy/conv.py.

Threads meet once in a pass, instead of three times in each slice of the batch, and no image is
copied into a frame of zeros. On the layers of `dcgan` and `conv-clusters`, with two threads, this
is 1.5 to 3 times as fast as NumPy's form with its products shared between the same threads. With
one thread, it is 1.1 to 2 times as fast.
"""

from __future__ import annotations

import numpy as np

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.fork import IN_BLAS
from nn.ops.numba.conv_kernels import convolve, convolve_transpose, convolve_weight_grad
from nn.ops.numba.products import FLOAT32, calls
from nn.ops.numba.threads import BLAS, POOL
from nn.ops.numpy import winograd
from nn.ops.numpy.conv import NumpyConv

# of the columns of a block: half and twice as much are as fast, with 2 MiB of cache a core
BLOCK_BYTES = 1 << 20


class NumbaConv(NumpyConv):
    """NumPy takes Winograd's form and all arrays that do not fit the kernels."""

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
        if not fits(x, W, out, b, len(W)) or winograd.pays(W.shape, stride, padding, out.shape):
            return super().conv(x, W, b, stride, padding, out=out)
        columns, (W_, b_) = self._blocks_of_columns(out, W), _weights(W, b)
        with IN_BLAS.lock:
            convolve(x, W_, b_, W.shape[1:3], stride, padding, columns, out, calls)
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
        if not fits(x, out, dy) or winograd.pays(out.shape, stride, padding, dy.shape):
            return super().conv_weight_grad(x, dy, stride, padding, out=out, add=add)
        kernel, columns = out.shape[1:3], self._blocks_of_columns(dy, out)
        dW = out.reshape(len(out), -1)
        shares = self.scratch((len(columns), *dW.shape), dW.dtype, "conv.shares")
        with IN_BLAS.lock:
            convolve_weight_grad(x, dy, kernel, stride, padding, columns, shares, add, dW, calls)
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
        if not fits(out, W, y, b, W.shape[3]) or winograd.pays(W.shape, stride, padding, out.shape):
            return super().conv_transpose(y, W, b, stride, padding, out=out)
        columns, (W_, b_) = self._blocks_of_columns(y, W), _weights(W, b)
        b_ = b_ if b_.size else np.zeros(out.shape[3], out.dtype)
        with IN_BLAS.lock:
            convolve_transpose(y, W_, b_, W.shape[1:3], stride, padding, columns, out, calls)
        return out

    def _blocks_of_columns(self, y: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Working memory for the columns of some lines of y, for each part."""
        (N, P, Q, _), width = y.shape, W[0].size
        lines = max(1, BLOCK_BYTES // (Q * width * W.itemsize))
        lines = min(lines, ceil_div(N * P, POOL.parts))
        return self.scratch((POOL.parts, lines * Q, width), W.dtype, "conv.columns")


def _weights(W: np.ndarray, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """W as a matrix, and b, with an empty vector for None."""
    return W.reshape(len(W), -1), np.empty(0, W.dtype) if b is None else b


def fits(
    x: np.ndarray, W: np.ndarray, y: np.ndarray, b: np.ndarray | None = None, n: int = 0
) -> bool:
    """Whether the kernels take these arrays: float32, C-contiguous, and of matching shapes.

    x (N, H, W, C), W (K, kh, kw, C), y (N, P, Q, K), b (n,) or None. Other arrays go to NumPy,
    which accepts them or raises the error.
    """
    arrays = (x, W, y) if b is None else (x, W, y, b)
    if not BLAS or not len(x) == len(y) > 0 or (b is not None and b.shape != (n,)):
        return False
    if (len(W), W.shape[3]) != (y.shape[3], x.shape[3]):
        return False
    return all(a.dtype == FLOAT32 and a.flags.c_contiguous for a in arrays)
