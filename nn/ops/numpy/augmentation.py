"""Random shifts and cut-outs of images on the CPU; images lie channels-last, (N, H, W, C).

draws (N, 2) are uniform on [0, 1): image n gets the whole number floor(draws[n, 0] k) for its rows and floor(draws[n, 1] k)
for its columns, each of 0..k-1 being as likely: below 1, a draw times k is below k in floating point, too.
"""

import numpy as np

from nn.ops.numpy.arrays import NumpyArrays


class NumpyAugmentation(NumpyArrays):
    """Each primitive treats the batch as a whole first, then each image with one slice of its own."""

    def shift_images(self, x, draws, reach, fill, *, out, back=False):
        """out[n, h, w] = x[n, h - down, w - right], fill where that lies outside; down and right are whole numbers from
        -reach to reach, which is less than H and W. back: by -down and -right instead."""
        _, H, W, _ = x.shape
        down = self._whole(draws[:, 0], 2 * reach + 1, -reach, "down")
        right = self._whole(draws[:, 1], 2 * reach + 1, -reach, "right")
        if back:
            np.negative(down, out=down), np.negative(right, out=right)
        out.fill(fill)
        for x_, y_, i, j in zip(x, out, down.data, right.data):  # .data: as Python's ints, which slice faster
            y_[max(i, 0) : H + i, max(j, 0) : W + j] = x_[max(-i, 0) : H - i, max(-j, 0) : W - j]
        return out

    def cut_out(self, x, draws, size, fill, *, out):
        """out = x, with fill in a square of each image, clipped at its edges: the rows top..top + size - 1, with
        top + size // 2 drawn from 0..H (from 0..H - 1 for an odd size), and the columns alike. out may be x."""
        _, H, W, _ = x.shape
        top = self._whole(draws[:, 0], H + 1 - size % 2, -(size // 2), "down")
        left = self._whole(draws[:, 1], W + 1 - size % 2, -(size // 2), "right")
        np.copyto(out, x)
        for y_, i, j in zip(out, top.data, left.data):
            y_[max(i, 0) : i + size, max(j, 0) : j + size] = fill
        return out

    def _whole(self, draws, n, first, name):
        """Uniform draws on [0, 1) as whole numbers from first to first + n - 1."""
        steps = np.multiply(draws, n, out=self._scratch(draws.shape, draws.dtype))
        whole = self._scratch(draws.shape, np.int64, name)
        np.copyto(whole, steps, casting="unsafe")
        return np.add(whole, first, out=whole)
