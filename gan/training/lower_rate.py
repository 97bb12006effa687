"""The error of a training that diverged, with advice on its learning rate."""

from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import RECIPES
from nn.errors import on_all_ranks

ADAM_DEFAULT = 1e-3  # Source: Kingma & Ba 2015, algorithm 1


def lower_rate(rate: float, recipe: Recipe) -> str:
    """The recipe's learning rate if that is lower than `rate`, else a tenth of it."""
    usual = RECIPES.get(recipe.name, recipe).learning_rate
    if rate > usual:
        return f"try the recipe's learning rate, {usual:g}, instead of {rate:g}"
    return f"try a learning rate of {min(rate / 10, ADAM_DEFAULT):g} instead of {rate:g}"


def divergence(
    step: int, last_good: int, steps_per_epoch: int, rate: float, recipe: Recipe
) -> Exception:
    """The `RunError` for a number that is no longer finite after a step."""
    return on_all_ranks(
        RunError(
            f"step {step}: a loss, a weight or a moment of Adam is no longer finite; training "
            f"stopped, and the weights are those of step {last_good}, the last good one, "
            f"after {last_good // steps_per_epoch} whole epochs; {lower_rate(rate, recipe)}"
        )
    )
