"""Pooling and upsampling on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nn.arithmetic import ceil_div
from nn.ops.base import Pair
from nn.ops.numpy.arrays import NumpyArrays
from nn.ops.numpy.blocks import BLOCK

Slices = tuple[slice, slice, slice]  # of (N, rows, columns)


class NumpyPooling(NumpyArrays):
    """Loop over the taps of a window, each a strided view of many images."""

    def max_pool(
        self,
        x: np.ndarray,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
        winner: np.ndarray,
    ) -> np.ndarray:
        taps = list(_taps(x.shape, out.shape, kernel, stride, padding))
        for x_, y_, winner_ in self._samples(x, out, winner):
            y_.fill(-np.inf)
            won = self.scratch(y_.shape, bool, "pool.won")
            for tap, inside, pixels in reversed(
                taps
            ):  # the first of equal elements is written last
                y_in, x_in = y_[inside], x_[pixels]
                np.maximum(y_in, x_in, out=y_in)
                np.copyto(winner_[inside], tap, where=np.equal(x_in, y_in, out=won[inside]))
            if np.isnan(y_, out=won).any():  # NaN equals nothing
                for tap, inside, pixels in taps:
                    np.copyto(winner_[inside], tap, where=np.isnan(x_[pixels], out=won[inside]))
        return out

    def max_pool_backward(
        self,
        dy: np.ndarray,
        winner: np.ndarray,
        kernel: Pair,
        stride: Pair,
        padding: Pair,
        *,
        out: np.ndarray,
    ) -> np.ndarray:
        for dy_, winner_, dx_ in self._samples(dy, winner, out):
            dx_.fill(0)
            share = self.scratch(dy_.shape, dy_.dtype, "pool.share")
            won = self.scratch(dy_.shape, bool, "pool.won")
            bits = f"u{dy_.itemsize}"  # as integers, infinity times 0 is 0
            for tap, inside, pixels in _taps(dx_.shape, dy_.shape, kernel, stride, padding):
                np.equal(winner_, tap, out=won)
                np.multiply(dy_.view(bits), won, out=share.view(bits))
                np.add(dx_[pixels], share[inside], out=dx_[pixels])
        return out

    def avg_pool(
        self, x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, *, out: np.ndarray
    ) -> np.ndarray:
        for x_, y_ in self._samples(x, out):
            y_.fill(0)
            for _, inside, pixels in _taps(x_.shape, y_.shape, kernel, stride, padding):
                np.add(y_[inside], x_[pixels], out=y_[inside])
            np.multiply(y_, 1 / (kernel[0] * kernel[1]), out=y_)
        return out

    def avg_pool_backward(
        self, dy: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, *, out: np.ndarray
    ) -> np.ndarray:
        for dy_, dx_ in self._samples(dy, out):
            dx_.fill(0)
            share = self.scratch(dy_.shape, dy_.dtype, "pool.share")
            np.multiply(dy_, 1 / (kernel[0] * kernel[1]), out=share)
            for _, inside, pixels in _taps(dx_.shape, dy_.shape, kernel, stride, padding):
                np.add(dx_[pixels], share[inside], out=dx_[pixels])
        return out

    def upsample(self, x: np.ndarray, factor: Pair, *, out: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        np.copyto(out.reshape(n, h, factor[0], w, factor[1], c), x[:, :, None, :, None])
        return out

    def upsample_backward(self, dy: np.ndarray, factor: Pair, *, out: np.ndarray) -> np.ndarray:
        np.copyto(out, dy[:, :: factor[0], :: factor[1]])
        for i in range(factor[0]):
            for j in range(factor[1]):
                if i or j:
                    np.add(out, dy[:, i :: factor[0], j :: factor[1]], out=out)
        return out

    def _samples(self, *arrays: np.ndarray) -> Iterator[list[np.ndarray]]:
        """Yield matching slices of the batch, about a block of the largest array each."""
        size = max(x.size for x in arrays)
        step = max(1, BLOCK * len(arrays[0]) // size)
        for i in range(0, len(arrays[0]), step):
            yield [x[i : i + step] for x in arrays]


def _taps(
    image: Pair, result: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> Iterator[tuple[int, Slices, Slices]]:
    """Yield (index of the tap, outputs for which it is inside the image, pixels under it)."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows, pixel_rows = _inside(i, image[1], result[1], stride[0], padding[0])
            columns, pixel_columns = _inside(j, image[2], result[2], stride[1], padding[1])
            tap, every = i * kernel[1] + j, slice(None)
            yield tap, (every, rows, columns), (every, pixel_rows, pixel_columns)


def _inside(tap: int, size: int, n_out: int, stride: int, padding: int) -> tuple[slice, slice]:
    """The outputs p with 0 <= p stride + tap - padding < size, and their pixels, as slices."""
    first = max(0, ceil_div(padding - tap, stride))
    last = min(n_out - 1, (size - 1 + padding - tap) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + tap - padding
    return slice(first, last + 1), slice(start, start + (last - first) * stride + 1, stride)
