"""Losses on a CUDA device, each with its gradient in one kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.reductions import THREADS
from nn.ops.numpy.activations import least_slope


class CudaLosses(CudaPart):
    """All arrays must be C-contiguous."""

    def bce_with_logits(
        self, z: Array, target: Array | float, weight: float, *, dz: Array, value: Array
    ) -> None:
        self._loss("bce_with_logits", z, target, weight, dz, value)

    def bce(
        self, p: Array, target: Array | float, weight: float, *, dp: Array, value: Array
    ) -> None:
        limits = np.finfo(p.dtype)
        bounds = float(limits.tiny), float(1 - limits.epsneg)
        self._loss("bce", p, target, weight, dp, value, *bounds, least_slope(p.dtype))

    def squared_error(
        self, y: Array, target: Array | float, weight: float, *, dy: Array, value: Array
    ) -> None:
        self._loss("squared_error", y, target, weight, dy, value)

    def absolute_error(
        self, y: Array, target: Array | float, weight: float, *, dy: Array, value: Array
    ) -> None:
        self._loss("absolute_error", y, target, weight, dy, value)

    def hinge(
        self, y: Array, target: Array | float, weight: float, *, dy: Array, value: Array
    ) -> None:
        self._loss("hinge", y, target, weight, dy, value)

    def mean(self, y: Array, weight: float, *, dy: Array, value: Array) -> None:
        self.launch("mean", (1,), (THREADS,), (y, dy, value), y.size, float(weight))

    def norm_penalty(
        self, g: Array, target: float, weight: float, *, dg: Array, value: Array
    ) -> None:
        n, limits = len(g), np.finfo(g.dtype)
        each, unread = self.scratch((n,), g.dtype, "each"), self.scratch((n,), g.dtype, "unread")
        numbers = float(target), weight / n, float(limits.tiny), float(limits.eps)
        self.launch("norm_penalty", (n,), (THREADS,), (g, dg, each), g.size // n, *numbers)
        self.mean(each, weight / 2, dy=unread, value=value)

    def softmax_cross_entropy(
        self,
        z: Array,
        target: Array,
        weight: float,
        *,
        dz: Array,
        value: Array,
        smoothing: float = 0.0,
    ) -> None:
        n, n_classes = z.shape
        classes = self.scratch((n,), "int64", "classes")
        self.copy_(classes, target)  # from any integer type
        arguments = classes, n, n_classes, float(weight), float(smoothing)
        self.launch("softmax_cross_entropy", (1,), (THREADS,), (z, dz, value), *arguments)

    def mean_sigmoid(self, z: Array, *, out: Array) -> None:
        self.launch("mean_sigmoid", (1,), (THREADS,), (z, out), z.size)

    def _loss(
        self,
        name: str,
        y: Array,
        target: Array | float,
        weight: float,
        dy: Array,
        value: Array,
        *limits: float,
    ) -> None:
        """Pass a numeric target as a scalar. y then stands in for the array, which is not read."""
        each = self.is_array(target)
        targets: Any = target if each else y
        number: Any = 0.0 if each else target
        arguments = int(each), float(number), y.size, float(weight), *limits
        self.launch(name, (1,), (THREADS,), (y, targets, dy, value), *arguments)
