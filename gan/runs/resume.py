"""What a resumed run continues with: its settings, its data, and how much of it is left."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from gan.data.sources import SOURCES
from gan.recipes import DEFAULT, DIGITS, get_recipe
from gan.runs.checkpoint import NAME, Checkpoint
from gan.runs.run import CHECKPOINT_MINUTES
from gan.training.trainer import Trainer
from gan.errors import RunError
from nn import WeightsError

LENGTHS = ("epochs", "steps", "minutes")
DEFAULTS = {
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
ONE_STEP = 1e-9  # minutes that pass within one step
MAX_NUMBER = 1e300  # which a float still holds
FIXED = ("recipe", "dataset", "batch_size", "seed", "out")  # changing one makes another run


def settings(args: Namespace, checkpoint: Checkpoint | None) -> dict[str, Any]:
    """The configuration of a run: from the options, else the checkpoint, else the defaults.

    Raises
    ------
    RunError
        For an option that a resumed run cannot change.
    WeightsError
        For a checkpoint that lacks a setting.
    """
    given = {name: value for name, value in vars(args).items() if value is not None}
    length = {name: given.get(name) for name in LENGTHS}
    if checkpoint is None:
        config = {name: given.get(name, default) for name, default in DEFAULTS.items()}
        if not any(length.values()):
            recipe = get_recipe(config["recipe"], DIGITS)
            length |= {"epochs": recipe.epochs, "steps": recipe.steps}
        return config | length
    config = checkpoint.config
    _check_types(config, args.resume)
    for name in FIXED:
        if name in given and given[name] != config.get(name):
            option = f"--{name.replace('_', '-')}"
            raise RunError(
                f"{option}: a resumed run keeps its {name}, {config.get(name, args.resume)}; "
                "start another run for that"
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


def fallback_dataset(checkpoint: Checkpoint | None, data: str) -> str | None:
    """The sample that an offline run used in place of its dataset, available now; else None."""
    if checkpoint is None or data == checkpoint.config["data"]:
        return None
    return SOURCES[checkpoint.config["dataset"]].fallback or None


def check_data(checkpoint: Checkpoint | None, data: str) -> None:
    """Raise `RunError` unless the images are those that the run was trained on."""
    if checkpoint and data != checkpoint.config["data"]:
        config = checkpoint.config
        raise RunError(
            f"data: expected the {config['images']} images of {config['dataset']} that the run "
            "was trained on, got others; name the folder that holds them with --data-dir"
        )


def restore(trainer: Trainer, checkpoint: Checkpoint, folder: Path) -> None:
    """Load a checkpoint's state into the trainer; `RunError` names the file."""
    try:
        trainer.load_state_dict((checkpoint.arrays, checkpoint.rest))
        expected, got = len(trainer.fixed_inputs), checkpoint.frames.shape[1]
        if got != expected:
            raise RunError(f"frames: expected {expected} images in each, got {got}")
    except RunError as problem:
        raise RunError(f"{folder / NAME}: {problem}") from None


def length_left(
    config: dict[str, Any], trainer: Trainer, history: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Arguments of `fit` for the rest of the run; None if it has reached its length.

    A run whose time ran out while a checkpoint was written, before its history had the last steps,
    takes one more.
    """
    epochs = config["epochs"] and config["epochs"] * trainer.steps_per_epoch
    steps = min((end for end in (config["steps"], epochs) if end), default=None)
    minutes = config["minutes"] and config["minutes"] - trainer.seconds / 60
    recorded = history[-1]["step"] if history else 0
    if minutes is not None and trainer.step_count > recorded:
        minutes = max(minutes, ONE_STEP)
    left = {"steps": steps and steps - trainer.step_count, "minutes": minutes}
    return left if all(value is None or value > 0 for value in left.values()) else None
