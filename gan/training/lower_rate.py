"""Advice on a learning rate that made training diverge."""

from gan.recipe import Recipe
from gan.recipes import RECIPES

ADAM_DEFAULT = 1e-3  # Source: Kingma & Ba 2015, algorithm 1


def lower_rate(rate: float, recipe: Recipe) -> str:
    """The recipe's learning rate if that is lower than `rate`, else a tenth of it."""
    usual = RECIPES.get(recipe.name, recipe).learning_rate
    if rate > usual:
        return f"try the recipe's learning rate, {usual:g}, instead of {rate:g}"
    return f"try a learning rate of {min(rate / 10, ADAM_DEFAULT):g} instead of {rate:g}"
