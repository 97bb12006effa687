"""Losses on the CPU, compiled.

Logits are few: one pass replaces eight passes with an array each. The sum is in double precision;
the exponentials have the precision of the logits, since `float(z[i])` does not widen here.
"""

from __future__ import annotations

import math

import numpy as np

from nn.ops.numba.arrays import flat
from nn.ops.numba.capture.cutting import whole
from nn.ops.numba.compiling import kernel
from nn.ops.numpy.losses import NumpyLosses


@kernel(whole("dz value"))
def bce_with_logits_kernel(
    z: np.ndarray, target: float, scale: float, dz: np.ndarray, value: np.ndarray
) -> None:
    T, total = z.dtype.type, 0.0
    for i in range(z.size):
        x = float(z[i])
        e = math.exp(-abs(x))
        s = e / (1 + e)
        dz[i] = T(((1 - target - s) if x >= 0 else s - target) * scale)
        total += (x if x > 0 else 0.0) - x * target + math.log1p(e)
    value[0] = T(total * scale)


@kernel(whole("out"))
def mean_sigmoid_kernel(z: np.ndarray, out: np.ndarray) -> None:
    total = 0.0
    for i in range(z.size):
        e = math.exp(-abs(float(z[i])))
        total += (1.0 if z[i] >= 0 else e) / (1 + e)
    out[0] = total / z.size


@kernel(None)  # NumPy subtracts first
def absolute_error_kernel(dy: np.ndarray, scale: float, value: np.ndarray) -> None:
    """dy = sign(dy) scale; four sums, because each addition waits for the previous one."""
    T = dy.dtype.type
    zero, one, minus_one, scale_ = T(0), T(1), T(-1), T(scale)
    a = b = c = d = 0.0
    whole = dy.size - dy.size % 4
    for i in range(0, whole, 4):
        a += abs(np.float64(dy[i]))
        b += abs(np.float64(dy[i + 1]))
        c += abs(np.float64(dy[i + 2]))
        d += abs(np.float64(dy[i + 3]))
    for i in range(whole, dy.size):
        a += abs(np.float64(dy[i]))
    for i in range(dy.size):
        gap = dy[i]
        sign = one if gap > 0 else minus_one if gap < 0 else zero if gap == 0 else gap
        dy[i] = sign * scale_
    value[0] = T(((a + b) + (c + d)) * scale)


class NumbaLosses(NumpyLosses):
    """NumPy computes the losses that are not here."""

    def bce_with_logits(
        self,
        z: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dz: np.ndarray,
        value: np.ndarray,
    ) -> None:
        vectors = flat(z, dz)
        if not vectors or not isinstance(target, int | float):
            return super().bce_with_logits(z, target, weight, dz=dz, value=value)
        z_, dz_ = vectors
        bce_with_logits_kernel(z_, float(target), weight / z.size, dz_, value)  # 10x, 64 logits

    def absolute_error(
        self,
        y: np.ndarray,
        target: np.ndarray | float,
        weight: float,
        *,
        dy: np.ndarray,
        value: np.ndarray,
    ) -> None:
        vectors = flat(y, dy)
        if not vectors:
            return super().absolute_error(y, target, weight, dy=dy, value=value)
        np.subtract(y, target, out=dy)
        absolute_error_kernel(vectors[1], weight / y.size, value)  # 9.7x

    def mean_sigmoid(self, z: np.ndarray, *, out: np.ndarray) -> None:
        vectors = flat(z)
        if not vectors:
            return super().mean_sigmoid(z, out=out)
        mean_sigmoid_kernel(*vectors, out)
