"""The contract of matrix products."""

from __future__ import annotations

from typing import Protocol

from nn.ops.base.arrays import A


class ProductOps(Protocol[A]):
    """Products of matrices."""

    def gemm(
        self, a: A, b: A, *, out: A, trans_a: bool = False, trans_b: bool = False, add: bool = False
    ) -> A:
        """out = a b, or out += a b with `add`.

        Parameters
        ----------
        a : A
            (m, k), or (k, m) with `trans_a`.
        b : A
            (k, n), or (n, k) with `trans_b`.
        out : A
            (m, n).
        trans_a, trans_b : bool
            Transpose the factor first.
        add : bool
            Add to `out`.
        """

    def batched_gemm(
        self, a: A, b: A, *, out: A, trans_a: bool = False, trans_b: bool = False
    ) -> A:
        """out[e] = a[e] b[e], for stacks of C-contiguous matrices.

        a (s, m, k), or (s, k, m) with `trans_a`; b (s, k, n), or (s, n, k) with `trans_b`;
        out (s, m, n).
        """

    def affine(self, x: A, W: A, b: A, *, out: A) -> A:
        """out = x W + b. x (N, n_in), W (n_in, n_out), b (n_out,), out (N, n_out)."""
