"""Pooling and up-sampling on the CPU; images lie channels-last, (N, H, W, C) and (N, P, Q, C)."""

import numpy as np

from nn.ops.numpy.arrays import BLOCK, NumpyArrays


class NumpyPooling(NumpyArrays):
    """Each primitive walks over the taps of the window, with one strided view of all images for each tap."""

    def max_pool(self, x, kernel, stride, padding, *, out, winner):
        """out = the largest x in each window, winner = the tap that it came from, row by row: the first of equal ones.

        What lies outside never wins, not even over -inf. A NaN is larger than all numbers; the last one in a window wins.
        """
        taps = list(_taps(x.shape, out.shape, kernel, stride, padding))
        for x_, y_, winner_ in self._samples(x, out, winner):
            y_.fill(-np.inf)
            won = self._scratch(y_.shape, bool, "pool.won")
            for tap, inside, pixels in reversed(taps):  # so that the first of equal ones has the last word
                y_in, x_in = y_[inside], x_[pixels]
                np.maximum(y_in, x_in, out=y_in)
                np.copyto(winner_[inside], tap, where=np.equal(x_in, y_in, out=won[inside]))
            if np.isnan(y_, out=won).any():  # which nothing equals
                for tap, inside, pixels in taps:
                    np.copyto(winner_[inside], tap, where=np.isnan(x_[pixels], out=won[inside]))
        return out

    def max_pool_backward(self, dy, winner, kernel, stride, padding, *, out):
        """out = the sum of dy over the windows that each pixel won."""
        for dy_, winner_, dx_ in self._samples(dy, winner, out):
            dx_.fill(0)
            share = self._scratch(dy_.shape, dy_.dtype, "pool.share")
            won = self._scratch(dy_.shape, bool, "pool.won")
            bits = f"u{dy_.itemsize}"  # times 0 or 1 as integers: of an infinite dy, too, the others' share is 0
            for tap, inside, pixels in _taps(dx_.shape, dy_.shape, kernel, stride, padding):
                np.multiply(dy_.view(bits), np.equal(winner_, tap, out=won), out=share.view(bits))
                np.add(dx_[pixels], share[inside], out=dx_[pixels])
        return out

    def avg_pool(self, x, kernel, stride, padding, *, out):
        """out = the mean of x over each window, where what lies outside counts as zeros."""
        for x_, y_ in self._samples(x, out):
            y_.fill(0)
            for _, inside, pixels in _taps(x_.shape, y_.shape, kernel, stride, padding):
                np.add(y_[inside], x_[pixels], out=y_[inside])
            np.multiply(y_, 1 / (kernel[0] * kernel[1]), out=y_)
        return out

    def avg_pool_backward(self, dy, kernel, stride, padding, *, out):
        """out = the sum of dy / (kh kw) over the windows that each pixel is in."""
        for dy_, dx_ in self._samples(dy, out):
            dx_.fill(0)
            share = np.multiply(dy_, 1 / (kernel[0] * kernel[1]), out=self._scratch(dy_.shape, dy_.dtype, "pool.share"))
            for _, inside, pixels in _taps(dx_.shape, dy_.shape, kernel, stride, padding):
                np.add(dx_[pixels], share[inside], out=dx_[pixels])
        return out

    def upsample(self, x, factor, *, out):
        """out[n, h, w, c] = x[n, h // fh, w // fw, c]."""
        n, h, w, c = x.shape
        np.copyto(out.reshape(n, h, factor[0], w, factor[1], c), x[:, :, None, :, None])
        return out

    def upsample_backward(self, dy, factor, *, out):
        """out[n, h, w, c] = the sum of dy over the fh fw copies of that pixel."""
        np.copyto(out, dy[:, :: factor[0], :: factor[1]])
        for i in range(factor[0]):
            for j in range(factor[1]):
                if i or j:
                    np.add(out, dy[:, i :: factor[0], j :: factor[1]], out=out)
        return out

    def _samples(self, *arrays):
        """Matching slices of the batch, the largest array's about a block each."""
        size = max(x.size for x in arrays)
        step = max(1, BLOCK * len(arrays[0]) // size)
        for i in range(0, len(arrays[0]), step):
            yield [x[i : i + step] for x in arrays]


def _taps(image, result, kernel, stride, padding):
    """Each tap as (its number, the outputs for which it lies inside the image, the pixels that they see through it)."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows, pixel_rows = _inside(i, image[1], result[1], stride[0], padding[0])
            columns, pixel_columns = _inside(j, image[2], result[2], stride[1], padding[1])
            yield i * kernel[1] + j, (slice(None), rows, columns), (slice(None), pixel_rows, pixel_columns)


def _inside(tap, size, n_out, stride, padding):
    """The outputs p with 0 <= p stride + tap - padding < size, and those pixels, as slices."""
    first = max(0, -(-(padding - tap) // stride))
    last = min(n_out - 1, (size - 1 + padding - tap) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + tap - padding
    return slice(first, last + 1), slice(start, start + (last - first) * stride + 1, stride)
