"""Matrix products of the CPU backends."""

from __future__ import annotations

import numpy as np

from nn.ops.fork import IN_BLAS
from nn.ops.numpy.arrays import NumpyArrays


class NumpyProducts(NumpyArrays):
    """Every product of the backend goes through `product`."""

    def gemm(
        self,
        a: np.ndarray,
        b: np.ndarray,
        *,
        out: np.ndarray,
        trans_a: bool = False,
        trans_b: bool = False,
        add: bool = False,
    ) -> np.ndarray:
        return self.product(a.T if trans_a else a, b.T if trans_b else b, out=out, add=add)

    def batched_gemm(
        self,
        a: np.ndarray,
        b: np.ndarray,
        *,
        out: np.ndarray,
        trans_a: bool = False,
        trans_b: bool = False,
    ) -> np.ndarray:
        a = a.transpose(0, 2, 1) if trans_a else a
        return self.product(a, b.transpose(0, 2, 1) if trans_b else b, out=out)

    def affine(self, x: np.ndarray, W: np.ndarray, b: np.ndarray, *, out: np.ndarray) -> np.ndarray:
        return np.add(self.product(x, W, out=out), b, out=out)

    def product(
        self, a: np.ndarray, b: np.ndarray, *, out: np.ndarray, add: bool = False
    ) -> np.ndarray:
        """out = a b, or out += a b with `add`: matrices in any memory order, or stacks of them."""
        if add:
            product = self.product(a, b, out=self.scratch(out.shape, out.dtype, "product"))
            return np.add(out, product, out=out)
        if b.shape[-2] == 1:  # column times row: (128, 1) by (1, 512) takes BLAS 94 us, this 22
            return np.multiply(a, b, out=out)
        with IN_BLAS.lock:
            return np.matmul(a, b, out=out)


def product_plus_bias(
    ops: NumpyProducts, x: np.ndarray, W: np.ndarray, b: np.ndarray | None, *, out: np.ndarray
) -> np.ndarray:
    """out = x W + b, or out = x W where b is None."""
    return ops.product(x, W, out=out) if b is None else ops.affine(x, W, b, out=out)
