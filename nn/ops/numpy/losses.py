"""Losses on the CPU."""

import numpy as np

from nn.errors import ShapeError
from nn.ops.numpy.activations import NumpyActivations, least_slope


class NumpyLosses(NumpyActivations):
    """Value and gradient of a loss in one call."""

    def bce_with_logits(self, z, target, weight, *, dz, value):
        """value = (weight / n) sum(max(z, 0) - z t + log(1 + exp(-|z|))), dz = (weight / n) (sigmoid(z) - t).

        With s = sigmoid(-|z|), sigmoid(z) - t is (1 - t) - s for positive z and (0 - t) + s for negative: both exact,
        where 1 - s would round to 1.
        """
        scale = weight / z.size
        tail = self._exp_minus_abs(z)
        part = self._scratch(z.shape, z.dtype, "part")
        positive = np.signbit(z, out=self._scratch(z.shape, bool))
        np.copyto(dz, np.logical_not(positive, out=positive))
        np.subtract(dz, target, out=dz)
        s = np.divide(tail, np.add(tail, 1, out=part), out=part)
        np.multiply(np.subtract(dz, np.copysign(s, z, out=part), out=dz), scale, out=dz)
        each = np.maximum(z, 0, out=self._scratch(z.shape, z.dtype, "each"))
        np.subtract(each, np.multiply(z, target, out=part), out=each)
        np.add(each, np.log1p(tail, out=tail), out=each)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), scale, out=value)

    def bce(self, p, target, weight, *, dp, value):
        """value = -(weight / n) sum(t log p + (1 - t) log(1 - p)), dp = (weight / n) (p - t) / (p (1 - p)).

        p is first moved into [tiny, 1 - eps / 2], the open interval as its dtype can hold it. p (1 - p) is at least
        `least_slope`, so that dp is finite for weights of up to 4e9.
        """
        scale = weight / p.size
        limits = np.finfo(p.dtype)
        p = np.clip(p, limits.tiny, 1 - limits.epsneg, out=self._scratch(p.shape, p.dtype, "p"))
        q = np.subtract(1, p, out=self._scratch(p.shape, p.dtype, "q"))
        slope = np.multiply(p, q, out=self._scratch(p.shape, p.dtype, "slope"))
        np.divide(np.subtract(p, target, out=dp), np.maximum(slope, least_slope(p.dtype), out=slope), out=dp)
        np.multiply(dp, scale, out=dp)
        np.log(p, out=p)
        np.log(q, out=q)
        np.multiply(np.subtract(p, q, out=p), target, out=p)
        each = np.add(p, q, out=p)  # log q + t (log p - log q)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), -scale, out=value)

    def squared_error(self, y, target, weight, *, dy, value):
        """value = (weight / n) sum((y - t)^2), dy = (weight / n) 2 (y - t)."""
        scale = weight / y.size
        np.subtract(y, target, out=dy)
        square = np.multiply(dy, dy, out=self._scratch(y.shape, y.dtype, "square"))
        np.multiply(np.sum(square.reshape(-1), keepdims=True, out=value), scale, out=value)
        np.multiply(dy, 2 * scale, out=dy)

    def hinge(self, y, target, weight, *, dy, value):
        """value = (weight / n) sum(max(1 - t y, 0)), dy = -(weight / n) t where t y < 1, else 0; t is 1 or -1."""
        scale = weight / y.size
        gap = np.multiply(y, target, out=self._scratch(y.shape, y.dtype, "gap"))
        np.maximum(np.subtract(1, gap, out=gap), 0, out=gap)
        np.copyto(dy, np.greater(gap, 0, out=self._scratch(y.shape, bool)))
        np.multiply(np.multiply(dy, target, out=dy), -scale, out=dy)
        np.multiply(np.sum(gap.reshape(-1), keepdims=True, out=value), scale, out=value)

    def mean(self, y, weight, *, dy, value):
        """value = (weight / n) sum(y), dy = weight / n."""
        np.multiply(np.sum(y.reshape(-1), keepdims=True, out=value), weight / y.size, out=value)
        dy.fill(weight / y.size)

    def norm_penalty(self, g, target, weight, *, dg, value):
        """value = (weight / 2) mean_n (|g_n| - target)^2, dg_n = (weight / N) (g_n - target g_n / |g_n|), for the rows of g.

        A row of zeros has no direction: its dg is 0. Rows are divided by their largest number before they are squared, so that
        |g_n| and the direction g_n / |g_n| are right however small or large g_n is.
        """
        n, column, limits = len(g), (len(g), 1), np.finfo(g.dtype)
        unit = np.max(np.abs(g, out=dg), axis=1, keepdims=True, out=self._scratch(column, g.dtype, "unit"))
        np.maximum(unit, limits.tiny, out=unit)
        scaled = np.divide(g, unit, out=self._scratch(g.shape, g.dtype, "scaled"))
        root = np.sum(np.multiply(scaled, scaled, out=dg), axis=1, keepdims=True, out=self._scratch(column, g.dtype, "root"))
        np.sqrt(root, out=root)
        beyond = np.subtract(np.multiply(unit, root, out=unit), target, out=unit)  # |g_n| = unit root
        back = np.divide(target, np.maximum(root, limits.eps, out=root), out=root)  # the smallest number over tiny is eps
        np.subtract(g, np.multiply(scaled, back, out=scaled), out=dg)
        np.multiply(dg, weight / n, out=dg)
        np.multiply(beyond, beyond, out=beyond)
        np.multiply(np.sum(beyond.reshape(-1), keepdims=True, out=value), weight / (2 * n), out=value)

    def softmax_cross_entropy(self, z, target, weight, *, dz, value):
        """value = (weight / n) sum(log sum_j exp(z_j - m) - (z_t - m)), dz = (weight / n) (softmax(z) - [k = t]), m = max(z)."""
        n, n_classes = z.shape
        if not 0 <= target.min() <= target.max() < n_classes:
            raise ShapeError(f"SoftmaxCrossEntropy: expected classes in 0..{n_classes - 1}, got {target.min()}..{target.max()}")
        place = self._scratch((n,), np.int64, "place")  # of z_t in z: t, K + t, 2 K + t, ...
        place.fill(n_classes)
        place[:1] = 0
        np.add(np.cumsum(place, out=place), target, out=place, casting="unsafe")
        column = self._scratch((n, 1), z.dtype, "column")
        np.subtract(z, np.max(z, axis=1, keepdims=True, out=column), out=dz)
        each = np.take(dz, place, out=self._scratch((n,), z.dtype, "each"), mode="clip")  # z_t - m
        np.exp(dz, out=dz)
        np.sum(dz, axis=1, keepdims=True, out=column)
        np.multiply(dz, np.divide(weight / n, column, out=self._scratch((n, 1), z.dtype, "factor")), out=dz)
        np.subtract(np.log(column, out=column)[:, 0], each, out=each)
        np.multiply(np.sum(each, keepdims=True, out=value), weight / n, out=value)
        np.subtract(np.take(dz, place, out=each, mode="clip"), weight / n, out=each)
        np.put(dz, place, each, mode="clip")

    def mean_sigmoid(self, z, *, out):
        """out[0] = the mean of sigmoid(z)."""
        p = self.sigmoid(z, out=self._scratch(z.shape, z.dtype, "p"))
        np.mean(p.reshape(-1), keepdims=True, out=out)
