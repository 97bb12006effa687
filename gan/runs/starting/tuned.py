"""A recipe with the settings of a run in place of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gan.objectives.named import named_objective
from gan.objectives.penalties import Penalty, ZeroCentered
from gan.recipe import Recipe
from gan.runs.starting.named_schedule import named_schedule
from nn import WarmupSchedule

FIELDS = (  # of a recipe, which an option of the same name replaces
    "batch_size",
    "learning_rate",
    "g_learning_rate",
    "d_learning_rate",
    "clip_norm",
    "clip_value",
    "weight_decay",
    "n_critic",
)


def tuned(recipe: Recipe, config: Mapping[str, Any], n_images: int) -> Recipe:
    """The recipe with these settings in place of its own.

    A warm-up without a schedule comes before the recipe's own.

    Parameters
    ----------
    recipe
        A recipe.
    config
        The settings by name; None for those of the recipe.
    n_images
        The number of training images in an epoch, which turns epochs into steps.

    Raises
    ------
    RunError
        If a schedule does not fit the run.
    """
    given = {name: config[name] for name in FIELDS if config[name] is not None}
    recipe = replace(recipe, **given)
    if config["objective"] is not None:
        recipe = replace(recipe, objective=named_objective(config["objective"]))
    if config["penalty"] is not None:
        recipe = replace(recipe, penalty=_penalty(recipe, config["penalty"]))
    schedule = named_schedule(
        config["schedule"],
        n_steps=_n_steps(config, n_images // recipe.batch_size),
        steps=config["schedule_steps"],
        factor=config["schedule_factor"],
        warmup=config["warmup"],
    )
    if schedule is None:
        return recipe
    if config["schedule"] is None and recipe.schedule is not None:  # a warm-up alone
        schedule = WarmupSchedule(config["warmup"], then=recipe.schedule)
    return replace(recipe, schedule=schedule)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The settings that `tuned` took from the recipe or put into it."""
    return {name: getattr(recipe, name) for name in FIELDS}


def _penalty(recipe: Recipe, weight: float) -> Penalty | None:
    """R1 and R2 of this weight, as often as the recipe has them; None for a weight of 0."""
    if not weight:
        return None
    own = recipe.penalty
    return replace(own, gamma=weight) if isinstance(own, ZeroCentered) else ZeroCentered(weight)


def _n_steps(config: Mapping[str, Any], steps_per_epoch: int) -> int | None:
    """The steps of the run, or None if only minutes limit it."""
    epochs = config["epochs"] and config["epochs"] * steps_per_epoch
    return min((end for end in (config["steps"], epochs) if end), default=None)
