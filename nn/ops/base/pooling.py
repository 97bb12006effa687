"""The contract of pooling and upsampling."""

from __future__ import annotations

from typing import Protocol

from nn.ops.base.arrays import A
from nn.ops.base.conv import Pair


class PoolingOps(Protocol[A]):
    """Pooling, upsampling and their gradients.

    All arrays are C-contiguous: images x and dx (N, H, W, C), results y and dy (N, P, Q, C).
    Windows lie as in `ConvOps`; kernel, stride and padding are in pixels.
    """

    def max_pool(self, x: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A, winner: A) -> A:
        """out = the largest x in each window.

        A pixel outside the image never wins, not even over -inf. NaN counts as larger than every
        number.

        Parameters
        ----------
        x : A
            (N, H, W, C).
        kernel, stride, padding : Pair
            In pixels.
        out : A
            (N, P, Q, C).
        winner : A
            (N, P, Q, C), uint8, written: the index i kw + j of the largest element in its window.
            Of equal elements, the first; of several NaN, the last.
        """

    def max_pool_backward(
        self, dy: A, winner: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A
    ) -> A:
        """out = for each pixel, the sum of dy over the windows that it won.

        Parameters
        ----------
        dy : A
            (N, P, Q, C).
        winner : A
            (N, P, Q, C), uint8, as written by `max_pool`.
        kernel, stride, padding : Pair
            In pixels.
        out : A
            (N, H, W, C).
        """

    def avg_pool(self, x: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A) -> A:
        """out = the mean of x over each window, with x = 0 outside the image.

        x (N, H, W, C), out (N, P, Q, C).
        """

    def avg_pool_backward(self, dy: A, kernel: Pair, stride: Pair, padding: Pair, *, out: A) -> A:
        """out = for each pixel, the sum of dy / (kh kw) over the windows that contain it.

        dy (N, P, Q, C), out (N, H, W, C).
        """

    def upsample(self, x: A, factor: Pair, *, out: A) -> A:
        """out[n, h, w, c] = x[n, h // fh, w // fw, c]. x (N, H, W, C), out (N, fh H, fw W, C)."""

    def upsample_backward(self, dy: A, factor: Pair, *, out: A) -> A:
        """out = for each pixel, the sum of dy over its fh fw copies.

        dy (N, fh H, fw W, C), out (N, H, W, C).
        """
