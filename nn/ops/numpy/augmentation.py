"""Random shifts and cut-outs of images on the CPU."""

from __future__ import annotations

import numpy as np

from nn.ops.numpy.arrays import NumpyArrays


class NumpyAugmentation(NumpyArrays):
    """Fill or copy the whole batch, then write one slice of each image."""

    def shift_images(
        self,
        x: np.ndarray,
        draws: np.ndarray,
        reach: int,
        fill: float,
        *,
        out: np.ndarray,
        back: bool = False,
    ) -> np.ndarray:
        _, H, W, _ = x.shape
        down = self._integers(draws[:, 0], 2 * reach + 1, -reach, "down")
        right = self._integers(draws[:, 1], 2 * reach + 1, -reach, "right")
        if back:
            np.negative(down, out=down)
            np.negative(right, out=right)
        out.fill(fill)
        for x_, y_, i, j in zip(x, out, down.data, right.data):  # .data: Python's ints slice faster
            y_[max(i, 0) : H + i, max(j, 0) : W + j] = x_[max(-i, 0) : H - i, max(-j, 0) : W - j]
        return out

    def cut_out(
        self, x: np.ndarray, draws: np.ndarray, size: int, fill: float, *, out: np.ndarray
    ) -> np.ndarray:
        _, H, W, _ = x.shape
        top = self._integers(draws[:, 0], H + 1 - size % 2, -(size // 2), "down")
        left = self._integers(draws[:, 1], W + 1 - size % 2, -(size // 2), "right")
        np.copyto(out, x)
        for y_, i, j in zip(out, top.data, left.data):
            y_[max(i, 0) : i + size, max(j, 0) : j + size] = fill
        return out

    def _integers(self, draws: np.ndarray, n: int, first: int, name: str) -> np.ndarray:
        """Map uniform draws on [0, 1) to the integers first..first + n - 1.

        For draw < 1, draw * n < n holds in floating point too.
        """
        steps = np.multiply(draws, n, out=self.scratch(draws.shape, draws.dtype))
        integers = self.scratch(draws.shape, np.int64, name)
        np.copyto(integers, steps, casting="unsafe")
        return np.add(integers, first, out=integers)
