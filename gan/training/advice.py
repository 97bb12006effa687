"""What to try after a loss is no longer finite."""

from __future__ import annotations

from gan.recipes import RECIPES

USUAL = 1e-3  # the default of Kingma & Ba 2015
TENTH = 0.1


def lower_learning_rate(recipe: str, rate: float) -> float:
    """The learning rate to try next.

    It is the one that the recipe of this name is listed with, or the usual one of Adam for a recipe
    that is not listed. If `rate` is no higher than that, it is a tenth of `rate`.
    """
    listed = RECIPES[recipe].learning_rate if recipe in RECIPES else USUAL
    return listed if rate > listed else TENTH * rate
