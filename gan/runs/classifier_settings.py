"""The settings of a classifier's run: its options, a checkpoint's, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan.classifier.training import BATCH_SIZE, EPOCHS
from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.runs.checkpoint import NAME
from gan.runs.classifier_checkpoint import ClassifierCheckpoint
from nn import WeightsError

DEFAULTS: dict[str, Any] = {
    "dataset": "mnist",
    "epochs": EPOCHS,
    "batch_size": BATCH_SIZE,
    "seed": 0,
    "device": "auto",
    "tf32": False,
}
LEAST = {"epochs": 1, "batch_size": 1, "seed": 0, "images": 1}
MOST = 2**53  # of these
FREE = ("device", "tf32")  # another value of the others means another run


def classifier_settings(
    options: Mapping[str, Any], checkpoint: ClassifierCheckpoint | None
) -> dict[str, Any]:
    """The configuration of a run: each setting from the options, the checkpoint, or the defaults.

    Parameters
    ----------
    options
        The options of `byhand train-classifier` by name; None for those that were not given.
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
    new = {name: given[name] for name in DEFAULTS if name in given}
    if checkpoint is None:
        return DEFAULTS | new
    config, folder = checkpoint.config, given["resume"]
    if not _is_sound(config):
        raise WeightsError(f"{folder}/{NAME}: it lacks a setting; start another run")
    kept = {name: config[name] for name in DEFAULTS if name not in FREE} | {"out": folder}
    for name, value in kept.items():
        if given.get(name, value) != value:
            raise RunError(
                f"--{name.replace('_', '-')}: a resumed run keeps its {name}, {value}; "
                "start another run to change it"
            )
    return config | new


def _is_sound(config: Mapping[str, Any]) -> bool:
    """Whether every setting is there, of its type and within its bounds."""
    types = {"dataset": str, "data": str, "device": str, "tf32": bool} | dict.fromkeys(LEAST, int)
    return (
        all(type(config.get(name)) is kind for name, kind in types.items())
        and all(least <= config[name] < MOST for name, least in LEAST.items())
        and config["dataset"] in SOURCES
    )
