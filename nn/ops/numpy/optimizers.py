"""Optimizer steps and clipping on the CPU, block by block."""

from __future__ import annotations

import math

import numpy as np

from nn.ops.numpy.arrays import NumpyArrays
from nn.ops.numpy.blocks import blocks
from nn.underflow import quiet

NORM_EPS = 1e-6  # as in PyTorch; keeps the factor of a zero gradient finite


class NumpyOptimizers(NumpyArrays):
    """All scalar factors of a step are computed once, in double precision."""

    @quiet
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
        step_and_rate[0] += 1
        rate = float(step_and_rate[1])
        for value_, grad_, velocity_ in blocks(value, grad, velocity):
            step = self.scratch(value_.shape, value_.dtype)
            grad_ = self._decayed(value_, grad_, weight_decay)
            np.add(np.multiply(velocity_, momentum, out=velocity_), grad_, out=velocity_)
            if nesterov:
                np.multiply(velocity_, momentum, out=step)
                np.multiply(np.add(grad_, step, out=step), rate, out=step)
            else:
                np.multiply(velocity_, rate, out=step)
            np.subtract(value_, step, out=value_)

    @quiet
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
        """(1 - decay) multiplies grad before it is squared, as in Adam.

        In float32, with decay 0.99, square then overflows for gradients of 2e20 instead of 2e19.
        """
        step_and_rate[0] += 1
        rate = float(step_and_rate[1])
        for value_, grad_, square_ in blocks(value, grad, square):
            grad_ = self._decayed(value_, grad_, weight_decay)
            step = np.multiply(grad_, 1 - decay, out=self.scratch(value_.shape, value_.dtype))
            np.multiply(step, grad_, out=step)
            np.add(np.multiply(square_, decay, out=square_), step, out=square_)
            np.add(np.sqrt(square_, out=step), eps, out=step)
            np.multiply(np.divide(grad_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)

    @quiet
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
        """value -= rate m / (sqrt(v) + eps_t), with all scalar factors folded into rate and eps_t.

        (1 - beta2) g g is multiplied from the left, as in PyTorch, so that v stays finite in
        float32 for gradients of up to 5e20. A larger one makes v infinite, as in PyTorch, and its
        weight stops moving. Storing m without its factor saves a pass. It overflows at gradients of
        1e37, long after v.
        """
        keep, rate, eps_t = adam_schedule(step_and_rate, beta1, beta2, eps, weight_decay)
        for value_, grad_, m_, v_ in blocks(value, grad, m, v):
            step = self.scratch(value_.shape, value_.dtype)
            if weight_decay:
                np.multiply(value_, keep, out=value_)
            np.add(np.multiply(m_, beta1, out=m_), grad_, out=m_)
            np.multiply(np.multiply(grad_, 1 - beta2, out=step), grad_, out=step)
            np.add(np.multiply(v_, beta2, out=v_), step, out=v_)
            np.add(np.sqrt(v_, out=step), eps_t, out=step)
            np.multiply(np.divide(m_, step, out=step), rate, out=step)
            np.subtract(value_, step, out=value_)

    @quiet
    def clip_norm_(self, x: np.ndarray, max_norm: float, *, norm: np.ndarray) -> None:
        root = math.sqrt(self.sum_of_squares(x))
        norm[0] = root
        scale = max_norm / (root + NORM_EPS)
        if max_norm < math.inf and not scale >= 1:  # also where it is NaN
            np.multiply(x, scale, out=x)

    def clip_value_(self, x: np.ndarray, limit: float) -> None:
        np.clip(x, -limit, limit, out=x)

    def sum_of_squares(self, x: np.ndarray) -> float:
        """The sum of squares of a vector, in double precision."""
        total = 0.0
        for (block,) in blocks(x):
            squares = self.scratch(block.shape, np.float64, "squares")
            np.copyto(squares, block)
            total += float(np.multiply(squares, squares, out=squares).sum())
        return total

    def _decayed(self, value: np.ndarray, grad: np.ndarray, weight_decay: float) -> np.ndarray:
        """grad + weight_decay value, in memory of its own, or grad without decay."""
        if not weight_decay:
            return grad
        decayed = self.scratch(value.shape, value.dtype, "decayed")
        return np.add(np.multiply(value, weight_decay, out=decayed), grad, out=decayed)


def adam_schedule(
    step_and_rate: np.ndarray, beta1: float, beta2: float, eps: float, weight_decay: float
) -> tuple[float, float, float]:
    """Count the step; return (factor of weight decay, rate, eps_t)."""
    step_and_rate[0] += 1
    t, learning_rate = float(step_and_rate[0]), float(step_and_rate[1])
    root = (1 - beta2**t) ** 0.5  # sqrt(v_hat) = sqrt(v) / root
    rate = learning_rate * (1 - beta1) / (1 - beta1**t) * root
    return 1 - learning_rate * weight_decay, rate, eps * root
