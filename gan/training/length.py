"""How long `Trainer.fit` trains."""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from gan.errors import RunError
from gan.recipe import Recipe
from gan.training.checks import REAL


class Length(NamedTuple):
    """Limits on a call of `fit`, counted from its start; the first one reached ends it."""

    epochs: float | None
    steps: float | None
    minutes: float | None

    def last_step(self, step_count: int, steps_per_epoch: int) -> float:
        """The step count at which `fit` ends, or infinity, from the steps so far."""
        limits = [self.steps, self.epochs and self.epochs * steps_per_epoch]
        return min((step_count + n for n in limits if n is not None), default=inf)

    def end_seconds(self, seconds: float) -> float:
        """The seconds of the run after which no step starts, or infinity, from those so far."""
        return inf if self.minutes is None else seconds + 60 * self.minutes


def checked_length(recipe: Recipe, epochs: Any, steps: Any, minutes: Any) -> Length:
    """The limits given, or the recipe's length if all are None.

    Raises
    ------
    RunError : a limit is neither None nor a number above 0
    """
    if epochs is None and steps is None and minutes is None:
        epochs, steps = recipe.epochs, recipe.steps
    length = Length(epochs, steps, minutes)
    for name, value in zip(("epochs", "steps", "minutes"), length):
        if value is not None and not (isinstance(value, REAL) and value > 0):
            raise RunError(f"{name}: expected a number above 0, got {value!r}")
    return length
