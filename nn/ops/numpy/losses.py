"""Losses on the CPU: value and gradient in one call."""

from __future__ import annotations

import numpy as np

from nn.errors import ShapeError
from nn.ops.numpy.activations import NumpyActivations, least_slope


class NumpyLosses(NumpyActivations):
    """Losses are summed in the input's dtype, which is accurate because NumPy sums pairwise."""

    def bce_with_logits(
        self,
        z: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dz: np.ndarray,
        value: np.ndarray,
    ) -> None:
        """sigmoid(z) - t = (1 - t) - s for z >= 0 and (0 - t) + s for z < 0, s = sigmoid(-|z|).

        This keeps a small s that 1 - s would round away.
        """
        scale = weight / z.size
        tail = self.exp_minus_abs(z)
        part = self.scratch(z.shape, z.dtype, "part")
        positive = np.signbit(z, out=self.scratch(z.shape, bool))
        np.copyto(dz, np.logical_not(positive, out=positive))
        np.subtract(dz, target, out=dz)
        s = np.divide(tail, np.add(tail, 1, out=part), out=part)
        np.multiply(np.subtract(dz, np.copysign(s, z, out=part), out=dz), scale, out=dz)
        each = np.maximum(z, 0, out=self.scratch(z.shape, z.dtype, "each"))
        np.subtract(each, np.multiply(z, target, out=part), out=each)
        np.add(each, np.log1p(tail, out=tail), out=each)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), scale, out=value)

    def bce(
        self,
        p: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dp: np.ndarray,
        value: np.ndarray,
    ) -> None:
        scale = weight / p.size
        limits = np.finfo(p.dtype)
        inside = self.scratch(p.shape, p.dtype, "p")
        p = np.clip(p, limits.tiny, 1 - limits.epsneg, out=inside)
        q = np.subtract(1, p, out=self.scratch(p.shape, p.dtype, "q"))
        slope = np.multiply(p, q, out=self.scratch(p.shape, p.dtype, "slope"))
        np.maximum(slope, least_slope(p.dtype), out=slope)
        np.divide(np.subtract(p, target, out=dp), slope, out=dp)
        np.multiply(dp, scale, out=dp)
        np.log(p, out=p)
        np.log(q, out=q)
        np.multiply(np.subtract(p, q, out=p), target, out=p)
        each = np.add(p, q, out=p)  # log q + t (log p - log q)
        np.multiply(np.sum(each.reshape(-1), keepdims=True, out=value), -scale, out=value)

    def squared_error(
        self,
        y: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dy: np.ndarray,
        value: np.ndarray,
    ) -> None:
        scale = weight / y.size
        np.subtract(y, target, out=dy)
        square = np.multiply(dy, dy, out=self.scratch(y.shape, y.dtype, "square"))
        np.multiply(np.sum(square.reshape(-1), keepdims=True, out=value), scale, out=value)
        np.multiply(dy, 2 * scale, out=dy)

    def absolute_error(
        self,
        y: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dy: np.ndarray,
        value: np.ndarray,
    ) -> None:
        scale = weight / y.size
        np.subtract(y, target, out=dy)
        size = np.abs(dy, out=self.scratch(y.shape, y.dtype, "size"))
        np.multiply(np.sum(size.reshape(-1), keepdims=True, out=value), scale, out=value)
        np.multiply(np.sign(dy, out=dy), scale, out=dy)

    def hinge(
        self,
        y: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dy: np.ndarray,
        value: np.ndarray,
    ) -> None:
        scale = weight / y.size
        gap = np.multiply(y, target, out=self.scratch(y.shape, y.dtype, "gap"))
        np.maximum(np.subtract(1, gap, out=gap), 0, out=gap)
        np.copyto(dy, np.greater(gap, 0, out=self.scratch(y.shape, bool)))
        np.multiply(np.multiply(dy, target, out=dy), -scale, out=dy)
        np.multiply(np.sum(gap.reshape(-1), keepdims=True, out=value), scale, out=value)

    def mean(self, y: np.ndarray, weight: float, *, dy: np.ndarray, value: np.ndarray) -> None:
        np.multiply(np.sum(y.reshape(-1), keepdims=True, out=value), weight / y.size, out=value)
        dy.fill(weight / y.size)

    def norm_penalty(
        self, g: np.ndarray, target: float, weight: float, *, dg: np.ndarray, value: np.ndarray
    ) -> None:
        """Divide each row by its largest element before squaring it.

        |g_i| and the direction g_i / |g_i| are then right however small or large g_i is.
        """
        n, column, limits = len(g), (len(g), 1), np.finfo(g.dtype)
        unit = self.scratch(column, g.dtype, "unit")
        np.max(np.abs(g, out=dg), axis=1, keepdims=True, out=unit)
        np.maximum(unit, limits.tiny, out=unit)
        scaled = np.divide(g, unit, out=self.scratch(g.shape, g.dtype, "scaled"))
        root = self.scratch(column, g.dtype, "root")
        np.sum(np.multiply(scaled, scaled, out=dg), axis=1, keepdims=True, out=root)
        np.sqrt(root, out=root)
        excess = np.multiply(unit, root, out=unit)  # |g_i| = unit root
        np.subtract(excess, target, out=excess)
        np.maximum(root, limits.eps, out=root)  # the smallest float divided by tiny is eps
        np.multiply(scaled, np.divide(target, root, out=root), out=scaled)  # target g_i / |g_i|
        np.subtract(g, scaled, out=dg)
        np.multiply(dg, weight / n, out=dg)
        np.multiply(excess, excess, out=excess)
        total = np.sum(excess.reshape(-1), keepdims=True, out=value)
        np.multiply(total, weight / (2 * n), out=value)

    def softmax_cross_entropy(
        self,
        z: np.ndarray,
        target: np.ndarray,
        weight: float,
        *,
        dz: np.ndarray,
        value: np.ndarray,
        smoothing: float = 0.0,
    ) -> None:
        n, n_classes = z.shape
        if not 0 <= target.min() <= target.max() < n_classes:
            raise ShapeError(
                f"SoftmaxCrossEntropy: expected classes in 0..{n_classes - 1}, "
                f"got {target.min()}..{target.max()}"
            )
        place = self.scratch((n,), np.int64, "place")  # of z_t in z: t, K + t, 2 K + t, ...
        place.fill(n_classes)
        place[:1] = 0
        np.add(np.cumsum(place, out=place), target, out=place, casting="unsafe")
        column = self.scratch((n, 1), z.dtype, "column")
        np.subtract(z, np.max(z, axis=1, keepdims=True, out=column), out=dz)
        each = self.scratch((n,), z.dtype, "each")
        np.take(dz, place, out=each, mode="clip")  # z_t - m
        if smoothing:  # sum_k q_k (z_k - m)
            mean = np.sum(dz, axis=1, out=self.scratch((n,), z.dtype, "mean"))
            np.multiply(mean, smoothing / n_classes, out=mean)
            np.add(np.multiply(each, 1 - smoothing, out=each), mean, out=each)
        np.exp(dz, out=dz)
        np.sum(dz, axis=1, keepdims=True, out=column)
        factor = np.divide(weight / n, column, out=self.scratch((n, 1), z.dtype, "factor"))
        np.multiply(dz, factor, out=dz)
        np.subtract(np.log(column, out=column)[:, 0], each, out=each)
        np.multiply(np.sum(each, keepdims=True, out=value), weight / n, out=value)
        if smoothing:
            np.subtract(dz, smoothing / n_classes * weight / n, out=dz)
        at_class = (1 - smoothing) * weight / n
        np.subtract(np.take(dz, place, out=each, mode="clip"), at_class, out=each)
        np.put(dz, place, each, mode="clip")

    def mean_sigmoid(self, z: np.ndarray, *, out: np.ndarray) -> None:
        p = self.sigmoid(z, out=self.scratch(z.shape, z.dtype, "p"))
        np.mean(p.reshape(-1), keepdims=True, out=out)
