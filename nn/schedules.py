"""Learning-rate schedules: the factor of the learning rate in a step, counted from 0.

A schedule is any function of the step. These need no state, so a run that is resumed at a step
continues as if it had not stopped. Schedules multiply: ``warmup(step) * cosine(step)``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nn.errors import ShapeError
from nn.settings import integer, real

Schedule = Callable[[int], float]


def _keep_steps(schedule: Any, name: str) -> None:
    """Check a number of steps, and keep it as an int."""
    value = integer(type(schedule).__name__, name, getattr(schedule, name))
    object.__setattr__(schedule, name, value)


def _keep_factor(schedule: Any, name: str) -> None:
    """Check a factor, and keep it as a float."""
    owner, value = type(schedule).__name__, getattr(schedule, name)
    number = real(owner, name, value, "of at least 0", lambda number: number >= 0)
    object.__setattr__(schedule, name, number)


@dataclass(frozen=True)
class ConstantSchedule:
    """The same factor in every step.

    Parameters
    ----------
    factor : float of at least 0
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        _keep_factor(self, "factor")

    def __call__(self, step: int) -> float:
        return self.factor


@dataclass(frozen=True)
class LinearSchedule:
    """1 + (end - 1) min(step / steps, 1): from 1 to `end` on a straight line.

    Parameters
    ----------
    steps : int
        The step from which on the factor is `end`.
    end : float of at least 0
    """

    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _keep_steps(self, "steps")
        _keep_factor(self, "end")

    def __call__(self, step: int) -> float:
        return 1 + (self.end - 1) * min(step / self.steps, 1.0)


@dataclass(frozen=True)
class CosineSchedule:
    """end + (1 - end) (1 + cos(pi min(step / steps, 1))) / 2: from 1 to `end` on half a cosine.

    Parameters
    ----------
    steps : int
        The step from which on the factor is `end`.
    end : float of at least 0

    References
    ----------
    Source: Loshchilov & Hutter 2017, eq. 5, without restarts.
    """

    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        _keep_steps(self, "steps")
        _keep_factor(self, "end")

    def __call__(self, step: int) -> float:
        cosine = math.cos(math.pi * min(step / self.steps, 1.0))
        return self.end + (1 - self.end) * (1 + cosine) / 2


@dataclass(frozen=True)
class StepSchedule:
    """factor^floor(step / every): multiplied by `factor` after every `every` steps.

    Parameters
    ----------
    every : int
    factor : float of at least 0
    """

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _keep_steps(self, "every")
        _keep_factor(self, "factor")

    def __call__(self, step: int) -> float:
        return self.factor ** (step // self.every)


@dataclass(frozen=True)
class InverseSqrtSchedule:
    """min(1, sqrt(steps / (step + 1))): 1 for `steps` steps, then 1/2 after 4 times as many.

    It does not depend on the length of the run, which can end or continue at any step.

    Parameters
    ----------
    steps : int
        The steps with the factor 1.

    References
    ----------
    Source: Vaswani et al. 2017, section 5.3, without the warm-up.
    """

    steps: int

    def __post_init__(self) -> None:
        _keep_steps(self, "steps")

    def __call__(self, step: int) -> float:
        return min(1.0, math.sqrt(self.steps / (step + 1)))


@dataclass(frozen=True)
class WarmupSchedule:
    """(step + 1) / steps in the first `steps` steps, then ``then(step - steps)``.

    Parameters
    ----------
    steps : int
        Of the warm-up; the last of them has the factor 1.
    then : function of the step
        The schedule that follows, by default a constant 1.
    """

    steps: int
    then: Schedule = ConstantSchedule()

    def __post_init__(self) -> None:
        _keep_steps(self, "steps")
        if not callable(self.then):
            raise ShapeError(
                f"WarmupSchedule: expected then to be a function of the step, got {self.then!r}"
            )

    def __call__(self, step: int) -> float:
        return (step + 1) / self.steps if step < self.steps else self.then(step - self.steps)
