"""Options of `byhand train` that change how a recipe's networks are updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gan.commands.shared.command_line import (
    Parser,
    at_least_0,
    one_of,
    positive_float,
    positive_int,
)
from gan.recipe import Recipe
from gan.training.named_schedule import SCHEDULES, named_schedule

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


def add_tuning(parser: Parser) -> None:
    """Add the options, from --learning-rate to --n-critic."""
    add = parser.add_argument
    rate: dict[str, Any] = {"type": positive_float, "metavar": "R"}
    add(
        "--learning-rate",
        help="set the learning rate of Adam for both networks (default: the recipe's)",
        **rate,
    )
    for letter, network in (("g", "generator"), ("d", "discriminator")):
        add(
            f"--{letter}-learning-rate",
            help=f"set the learning rate of the {network} alone (default: that of both)",
            **rate,
        )
    add(
        "--schedule",
        type=one_of(SCHEDULES),
        metavar="NAME",
        help=f"change the learning rates by one of {', '.join(SCHEDULES)} (default: the recipe's)",
    )
    add(
        "--schedule-steps",
        type=positive_int,
        metavar="N",
        help="end linear and cosine N steps after the warm-up, or change step every N steps "
        "(default: the run's end)",
    )
    add(
        "--schedule-factor",
        type=at_least_0,
        metavar="F",
        help="multiply the learning rates by F at the end of linear and cosine, or in each change "
        "of step (default: 0, and 0.1 for step)",
    )
    add(
        "--warmup",
        type=positive_int,
        metavar="N",
        help="raise the learning rates from near 0 in the first N steps (default: none)",
    )
    add(
        "--clip-norm",
        type=positive_float,
        metavar="X",
        help="scale the gradients of each network down to a norm of at most X, and log the norm "
        "(default: the recipe's)",
    )
    add(
        "--clip-value",
        type=positive_float,
        metavar="X",
        help="limit each gradient to X in size before that, and log the norm "
        "(default: the recipe's)",
    )
    add(
        "--weight-decay",
        type=at_least_0,
        metavar="X",
        help="decay the weights by X per step and learning rate, which is AdamW "
        "(default: the recipe's)",
    )
    add(
        "--n-critic",
        type=positive_int,
        metavar="N",
        help="update the discriminator N times per update of the generator (default: the recipe's)",
    )


def tuned(recipe: Recipe, config: Mapping[str, Any], n_images: int) -> Recipe:
    """The recipe with these settings in place of its own.

    Parameters
    ----------
    recipe
        A recipe.
    config
        The settings by name; None for those of the recipe.
    n_images
        The number of training images, from which epochs become steps.

    Raises
    ------
    RunError
        If a schedule does not fit the run.
    """
    given = {name: config[name] for name in FIELDS if config[name] is not None}
    recipe = replace(recipe, **given)
    schedule = named_schedule(
        config["schedule"],
        n_steps=_n_steps(config, n_images // recipe.batch_size),
        steps=config["schedule_steps"],
        factor=config["schedule_factor"],
        warmup=config["warmup"],
    )
    return recipe if schedule is None else replace(recipe, schedule=schedule)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """The settings that `tuned` took from the recipe or put into it."""
    return {name: getattr(recipe, name) for name in FIELDS}


def _n_steps(config: Mapping[str, Any], steps_per_epoch: int) -> int | None:
    """The steps of the run, or None if only minutes limit it."""
    epochs = config["epochs"] and config["epochs"] * steps_per_epoch
    return min((end for end in (config["steps"], epochs) if end), default=None)
