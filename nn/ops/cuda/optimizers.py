"""Optimizer steps and clipping on a CUDA device.

The device reads step count, bias corrections and learning rate. The host never does.
"""

from __future__ import annotations

from nn.arithmetic import ceil_div
from nn.ops.base import Array
from nn.ops.cuda.part import CudaPart
from nn.ops.cuda.reductions import THREADS
from nn.ops.cuda.sources import Elementwise
from nn.ops.numpy.optimizers import NORM_EPS

MAX_BLOCKS = 256  # that share a sum of squares

OPTIMIZERS = {
    "count_step": Elementwise("", "raw float64 step_and_rate", "step_and_rate[0] += 1"),
    "sgd": Elementwise(
        "T grad, raw float64 step_and_rate, T momentum, bool nesterov, T weight_decay",
        "T value, T velocity",
        "sgd(grad, step_and_rate, momentum, nesterov, weight_decay, value, velocity)",
        "optimizers",
    ),
    "rmsprop": Elementwise(
        "T grad, raw float64 step_and_rate, T decay, T rest, T eps, T weight_decay",
        "T value, T square",
        "rmsprop(grad, step_and_rate, decay, rest, eps, weight_decay, value, square)",
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
    "scale_down": Elementwise(
        "raw float64 factor", "T x", "if (!(factor[0] >= 1)) x *= T(factor[0])"
    ),
    "clip_value": Elementwise("T limit", "T x", "x = x > limit ? limit : x < -limit ? -limit : x"),
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
        weight_decay: float,
    ) -> None:
        settings = momentum, nesterov, weight_decay
        self.kernel("count_step")(step_and_rate, size=1)
        self.kernel("sgd")(grad, step_and_rate, *settings, value, velocity)

    def rmsprop_step_(
        self,
        value: Array,
        grad: Array,
        square: Array,
        step_and_rate: Array,
        decay: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        settings = decay, 1 - decay, eps, weight_decay
        self.kernel("count_step")(step_and_rate, size=1)
        self.kernel("rmsprop")(grad, step_and_rate, *settings, value, square)

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

    def clip_norm_(self, x: Array, max_norm: float, *, norm: Array) -> None:
        share = max(THREADS, ceil_div(x.size, MAX_BLOCKS))  # elements of each block
        n_blocks = max(1, ceil_div(x.size, share))
        sums = self.scratch((n_blocks,), "float64", "sums")
        factor = self.scratch((1,), "float64", "factor")
        self.launch("sum_of_squares", (n_blocks,), (THREADS,), (x,), sums, x.size, share)
        limits = float(max_norm), NORM_EPS
        self.launch("norm_factor", (1,), (THREADS,), (norm,), sums, factor, n_blocks, *limits)
        self.kernel("scale_down")(factor, x)

    def clip_value_(self, x: Array, limit: float) -> None:
        self.kernel("clip_value")(limit, x)
