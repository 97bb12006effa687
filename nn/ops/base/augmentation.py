"""The contract of random shifts and cut-outs of images."""

from __future__ import annotations

from typing import Protocol

from nn.ops.base.arrays import A


class AugmentationOps(Protocol[A]):
    """Each image n is augmented by two uniform numbers on [0, 1), draws[n]. draws is (N, 2)."""

    def shift_images(
        self, x: A, draws: A, reach: int, fill: float, *, out: A, back: bool = False
    ) -> A:
        """out[n, h, w] = x[n, h - down, w - right], or fill where that lies outside the image.

        down = floor((2 reach + 1) draws[n, 0]) - reach, and right likewise from draws[n, 1].

        Parameters
        ----------
        x : A
            (N, H, W, C).
        draws : A
            (N, 2).
        reach : int
            The largest shift in pixels, less than H and W.
        fill : float
            The value of uncovered pixels.
        out : A
            (N, H, W, C).
        back : bool
            Shift by -down and -right instead: the adjoint, for fill = 0.
        """

    def cut_out(self, x: A, draws: A, size: int, fill: float, *, out: A) -> A:
        """out = x, with a square of each image replaced by fill.

        The square covers rows top..top + size - 1, clipped at the edges of the image, where
        top + size // 2 = floor(k draws[n, 0]), with k = H + 1 for an even size and k = H for an odd
        one. Columns follow likewise from draws[n, 1].

        Parameters
        ----------
        x : A
            (N, H, W, C).
        draws : A
            (N, 2).
        size : int
            The side of the square in pixels.
        fill : float
            The value inside the square.
        out : A
            (N, H, W, C). May be x.
        """
