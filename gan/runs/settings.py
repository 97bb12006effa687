"""The settings of a run: its options, a checkpoint's, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan.errors import RunError
from gan.recipes import DEFAULT, DIGITS, get_recipe
from gan.runs.checkpoint import NAME, Checkpoint
from gan.runs.run import CHECKPOINT_MINUTES
from nn import WeightsError

LENGTHS = ("epochs", "steps", "minutes")
DEFAULTS: dict[str, Any] = {
    "recipe": DEFAULT,
    "dataset": "mnist",
    "batch_size": None,
    "learning_rate": None,
    "seed": 0,
    "device": "auto",
    "tf32": False,
    "evaluate_every": None,
    "checkpoint_minutes": CHECKPOINT_MINUTES,
}
NUMBER = int | float
TYPES: dict[str, Any] = {
    "recipe": str,
    "dataset": str,
    "batch_size": int,
    "learning_rate": NUMBER,
    "seed": int,
    "device": str,
    "tf32": bool,
    "evaluate_every": int | None,
    "checkpoint_minutes": NUMBER,
    "epochs": int | None,
    "steps": int | None,
    "minutes": NUMBER | None,
    "images": int,
    "data": str,
}
MAX_NUMBER = 1e300  # a float can hold it
FIXED = ("recipe", "dataset", "batch_size", "seed", "out")  # another value means another run


def settings(options: Mapping[str, Any], checkpoint: Checkpoint | None) -> dict[str, Any]:
    """The configuration of a run: each setting from the options, the checkpoint, or the defaults.

    Parameters
    ----------
    options
        The options of `byhand train` by name; None for those that were not given.
    checkpoint
        That of the run in the folder ``options["resume"]``; None for a new run.

    Raises
    ------
    RunError
        For an option that a resumed run cannot change.
    WeightsError
        For a checkpoint that lacks a setting.
    """
    given = {name: value for name, value in options.items() if value is not None}
    length = {name: given.get(name) for name in LENGTHS}
    if checkpoint is None:
        config = {name: given.get(name, default) for name, default in DEFAULTS.items()}
        if not any(length.values()):
            recipe = get_recipe(config["recipe"], DIGITS)
            length |= {"epochs": recipe.epochs, "steps": recipe.steps}
        return config | length
    config, folder = checkpoint.config, given["resume"]
    _check_types(config, folder)
    for name in FIXED:
        if name in given and given[name] != config.get(name):
            option = f"--{name.replace('_', '-')}"
            raise RunError(
                f"{option}: a resumed run keeps its {name}, {config.get(name, folder)}; "
                "start another run to change it"
            )
    config = {
        name: given.get(name, value) if name in DEFAULTS else value
        for name, value in config.items()
    }
    return config | (length if any(length.values()) else {})


def _check_types(config: dict[str, Any], folder: str) -> None:
    """Raise `WeightsError` unless every setting is there and of its type."""
    for name, kind in TYPES.items():
        value = config.get(name, "none")
        is_huge = isinstance(value, NUMBER) and not 0 <= value < MAX_NUMBER
        if name not in config or not isinstance(value, kind) or is_huge:
            raise WeightsError(
                f"{folder}/{NAME}: expected the run's {name}, got {value!r:.80}; "
                "no run wrote this file"
            )
