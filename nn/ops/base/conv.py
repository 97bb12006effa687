"""The contract of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nn.ops.base.arrays import A

Pair = Sequence[int]  # (vertical, horizontal)


class ConvOps(Protocol[A]):
    """Convolution, its weight gradient and its adjoint.

    All arrays are C-contiguous: images x (N, H, W, C), results y (N, P, Q, K), weights
    W (K, kh, kw, C). With stride (sh, sw) and padding (ph, pw), the window of result (p, q) covers,
    for i < kh and j < kw, the pixels (p sh + i - ph, q sw + j - pw).
    """

    def conv(self, x: A, W: A, b: A | None, stride: Pair, padding: Pair, *, out: A) -> A:
        """Convolve x with W and add b.

        out[n, p, q, k] = b[k] + sum_(i, j, c) x[n, p sh + i - ph, q sw + j - pw, c] W[k, i, j, c],
        with x = 0 outside the image.

        Parameters
        ----------
        x : A
            (N, H, W, C).
        W : A
            (K, kh, kw, C).
        b : A or None
            (K,).
        stride, padding : Pair
            In pixels.
        out : A
            (N, P, Q, K).
        """

    def conv_weight_grad(
        self, x: A, dy: A, stride: Pair, padding: Pair, *, out: A, add: bool = False
    ) -> A:
        """Compute dL/dW of `conv`.

        dW[k, i, j, c] = sum_(n, p, q) dy[n, p, q, k] x[n, p sh + i - ph, q sw + j - pw, c].

        Parameters
        ----------
        x : A
            (N, H, W, C).
        dy : A
            (N, P, Q, K).
        stride, padding : Pair
            In pixels.
        out : A
            (K, kh, kw, C).
        add : bool
            Add to `out`.
        """

    def conv_transpose(self, y: A, W: A, b: A | None, stride: Pair, padding: Pair, *, out: A) -> A:
        """Apply the adjoint of `conv`, which is also its input gradient, and add b.

        out[n, h, w, c] = b[c] + the sum of y[n, p, q, k] W[k, i, j, c] over k and all p, q, i, j
        with p sh + i - ph = h and q sw + j - pw = w. A pixel that no window covers is b.

        Parameters
        ----------
        y : A
            (N, P, Q, K).
        W : A
            (K, kh, kw, C).
        b : A or None
            (C,).
        stride, padding : Pair
            Those of the convolution, in pixels.
        out : A
            (N, H, W, C). Its shape determines the size of the images.
        """
