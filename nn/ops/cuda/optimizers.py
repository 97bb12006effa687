"""Optimizer steps on a CUDA device.

The device reads step count, bias corrections and learning rate. The host never does.
"""

from __future__ import annotations

from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.sources import Elementwise

OPTIMIZERS = {
    "count_step": Elementwise("", "raw float64 step_and_rate", "step_and_rate[0] += 1"),
    "sgd": Elementwise(
        "T grad, raw float64 step_and_rate, T momentum, bool nesterov",
        "T value, T velocity",
        "sgd(grad, step_and_rate, momentum, nesterov, value, velocity)",
        "optimizers",
    ),
    "rmsprop": Elementwise(
        "T grad, raw float64 step_and_rate, T decay, T rest, T eps",
        "T value, T square",
        "rmsprop(grad, step_and_rate, decay, rest, eps, value, square)",
        "optimizers",
    ),
    "adam_schedule": Elementwise(
        "float64 beta1, float64 beta2, float64 eps, float64 weight_decay",
        "raw float64 step_and_rate, raw float64 schedule",
        "adam_schedule(beta1, beta2, eps, weight_decay, step_and_rate, schedule)",
        "optimizers",
    ),
    "adam": Elementwise(
        "T grad, raw float64 schedule, T beta1, T beta2, T rest",
        "T value, T m, T v",
        "adam(grad, schedule, beta1, beta2, rest, value, m, v)",
        "optimizers",
    ),
}


class CudaOptimizers(CudaPart):
    """One kernel counts the step, another updates all elements."""

    def sgd_step_(
        self,
        value: Array,
        grad: Array,
        velocity: Array,
        step_and_rate: Array,
        momentum: float,
        nesterov: bool,
    ) -> None:
        self.kernel("count_step")(step_and_rate, size=1)
        self.kernel("sgd")(grad, step_and_rate, momentum, nesterov, value, velocity)

    def rmsprop_step_(
        self,
        value: Array,
        grad: Array,
        square: Array,
        step_and_rate: Array,
        decay: float,
        eps: float,
    ) -> None:
        self.kernel("count_step")(step_and_rate, size=1)
        self.kernel("rmsprop")(grad, step_and_rate, decay, 1 - decay, eps, value, square)

    def adam_step_(
        self,
        value: Array,
        grad: Array,
        m: Array,
        v: Array,
        step_and_rate: Array,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        schedule = self.scratch((3,), "float64", "schedule")
        settings = beta1, beta2, eps, weight_decay
        self.kernel("adam_schedule")(*settings, step_and_rate, schedule, size=1)
        self.kernel("adam")(grad, schedule, beta1, beta2, 1 - beta2, value, m, v)
