"""The learning rates of both networks in a step."""

from __future__ import annotations

import math

from gan.errors import RunError
from gan.recipe import Recipe
from gan.training.checks import REAL, check_learning_rate
from gan.uncopyable import Uncopyable
from nn import Adam


class LearningRates(Uncopyable):
    """Sets the rates of both optimizers: base rate, a network's own rate, and schedule.

    A schedule's factor is computed on the host and written to the device; nothing is read back.

    Parameters
    ----------
    recipe : its rates and its schedule are used
    g_optimizer, d_optimizer : of G and of D
    """

    def __init__(self, recipe: Recipe, g_optimizer: Adam, d_optimizer: Adam) -> None:
        self._schedule, self._recipe_rate = recipe.schedule, recipe.learning_rate
        self._own = (g_optimizer, recipe.g_learning_rate), (d_optimizer, recipe.d_learning_rate)
        self._factor = 1.0
        self.base = recipe.learning_rate

    @property
    def base(self) -> float:
        """The recipe's `learning_rate`, or what was set in its place."""
        return self._base

    @base.setter
    def base(self, rate: float) -> None:
        self._base = check_learning_rate(rate)
        self.write()

    def begin_step(self, step_number: int) -> None:
        """Set the rates of a step, counted from 0.

        Raises
        ------
        RunError : the schedule returns a factor that is not finite or is below 0
        """
        if self._schedule is None:
            return
        factor = self._schedule(step_number)
        if not (isinstance(factor, REAL) and 0 <= factor and math.isfinite(factor)):
            raise RunError(
                f"schedule: expected a finite factor of at least 0 for step {step_number}, "
                f"got {factor!r}"
            )
        self._factor = float(factor)
        self.write()

    def write(self) -> None:
        """Write the rates to the device, also after other arrays were loaded there."""
        scale = self._base / self._recipe_rate  # 1 unless `base` was set
        for optimizer, own in self._own:
            rate = self._base if own is None else own * scale
            optimizer.learning_rate = rate * self._factor
