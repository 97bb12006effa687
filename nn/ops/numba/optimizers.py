"""Optimizer steps and clipping on the CPU, compiled."""

from __future__ import annotations

import ctypes
import math
import os

import llvmlite.binding
import numpy as np
from numba import float64, prange
from numba.types import ExternalFunction

from nn.ops.numba.arrays import fits
from nn.ops.numba.capture.cutting import whole
from nn.ops.numba.compiling import LARGE, compiled, kernel, shared, shared_kernel
from nn.ops.numpy.optimizers import NumpyOptimizers

# C's, which Python's ** calls: LLVM would replace it where it can
power_of_c = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)(
    ("pow", ctypes.CDLL(None if os.name == "posix" else "ucrtbase"))
)
llvmlite.binding.add_symbol("byhand_pow", ctypes.cast(power_of_c, ctypes.c_void_p).value)
power = ExternalFunction("byhand_pow", float64(float64, float64))


@shared(LARGE)  # its rate is a number: not for programs
def sgd_kernel(
    value: np.ndarray,
    grad: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    T = value.dtype.type
    rate_, momentum_, weight_decay_ = T(rate), T(momentum), T(weight_decay)
    for i in prange(value.size):
        g = value[i] * weight_decay_ + grad[i] if weight_decay else grad[i]
        velocity[i] = velocity[i] * momentum_ + g
        value[i] -= (velocity[i] * momentum_ + g if nesterov else velocity[i]) * rate_


@shared(LARGE)  # as above
def rmsprop_kernel(
    value: np.ndarray,
    grad: np.ndarray,
    square: np.ndarray,
    rate: float,
    decay: float,
    rest: float,
    eps: float,
    weight_decay: float,
) -> None:
    T = value.dtype.type
    rate_, decay_, rest_, eps_ = T(rate), T(decay), T(rest), T(eps)
    weight_decay_ = T(weight_decay)
    for i in prange(value.size):
        g = value[i] * weight_decay_ + grad[i] if weight_decay else grad[i]
        square[i] = square[i] * decay_ + g * rest_ * g
        value[i] -= g / (math.sqrt(square[i]) + eps_) * rate_


@kernel(whole("step_and_rate factors"))
def adam_schedule_kernel(
    step_and_rate: np.ndarray,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    half: float,
    factors: np.ndarray,
) -> None:
    """As `adam_schedule`, with Python's own power, on numbers where a program finds them."""
    step_and_rate[0] += 1
    t, learning_rate = step_and_rate[0], step_and_rate[1]
    root = power(1 - power(beta2, t), half)
    factors[0] = 1 - learning_rate * weight_decay
    factors[1] = learning_rate * (1 - beta1) / (1 - power(beta1, t)) * root
    factors[2] = eps * root


@shared_kernel("value m v")
def adam_kernel(
    value: np.ndarray,
    grad: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    factors: np.ndarray,
    beta1: float,
    beta2: float,
    rest: float,
) -> None:
    """`factors` are those of `adam_schedule`."""
    T = value.dtype.type
    keep_, rate_, eps_ = T(factors[0]), T(factors[1]), T(factors[2])
    beta1_, beta2_, rest_ = T(beta1), T(beta2), T(rest)
    for i in prange(value.size):
        m[i] = m[i] * beta1_ + grad[i]
        v[i] = v[i] * beta2_ + grad[i] * rest_ * grad[i]
        value[i] = value[i] * keep_ - m[i] / (math.sqrt(v[i]) + eps_) * rate_


@compiled()
def sum_of_squares_kernel(x: np.ndarray) -> float:
    """Four sums, because each addition waits for the previous one in the same sum."""
    a = b = c = d = 0.0
    whole = x.size - x.size % 4
    for i in range(0, whole, 4):
        a += np.float64(x[i]) * np.float64(x[i])
        b += np.float64(x[i + 1]) * np.float64(x[i + 1])
        c += np.float64(x[i + 2]) * np.float64(x[i + 2])
        d += np.float64(x[i + 3]) * np.float64(x[i + 3])
    for i in range(whole, x.size):
        a += np.float64(x[i]) * np.float64(x[i])
    return (a + b) + (c + d)


class NumbaOptimizers(NumpyOptimizers):
    """A step is one pass over memory."""

    def sgd_step_(
        self,
        value: np.ndarray,
        grad: np.ndarray,
        velocity: np.ndarray,
        step_and_rate: np.ndarray,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
    ) -> None:
        settings = momentum, nesterov, weight_decay
        if not fits(value, grad, velocity):
            return super().sgd_step_(value, grad, velocity, step_and_rate, *settings)
        step_and_rate[0] += 1
        sgd_kernel(value, grad, velocity, float(step_and_rate[1]), *settings)

    def rmsprop_step_(
        self,
        value: np.ndarray,
        grad: np.ndarray,
        square: np.ndarray,
        step_and_rate: np.ndarray,
        decay: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        if not fits(value, grad, square):
            return super().rmsprop_step_(
                value, grad, square, step_and_rate, decay, eps, weight_decay
            )
        step_and_rate[0] += 1
        rate = float(step_and_rate[1])
        rmsprop_kernel(value, grad, square, rate, decay, 1 - decay, eps, weight_decay)

    def adam_step_(
        self,
        value: np.ndarray,
        grad: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        step_and_rate: np.ndarray,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        if not fits(value, grad, m, v):
            return super().adam_step_(
                value, grad, m, v, step_and_rate, beta1, beta2, eps, weight_decay
            )
        factors = self.scratch((3,), np.float64, "adam")
        adam_schedule_kernel(step_and_rate, beta1, beta2, eps, weight_decay, 0.5, factors)
        # 4.9x: one pass instead of eleven
        adam_kernel(value, grad, m, v, factors, beta1, beta2, 1 - beta2)

    def sum_of_squares(self, x: np.ndarray) -> float:
        if not fits(x):
            return super().sum_of_squares(x)
        return sum_of_squares_kernel(x)  # 1.7x, a million numbers: one pass instead of three
