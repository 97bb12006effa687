"""The settings of a run that keeps them: its options, a checkpoint's, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.runs.checkpoint import NAME
from nn import WeightsError

FREE = ("device", "tf32")  # another value of the others means another run
LEAST = {"epochs": 1, "batch_size": 1, "seed": 0, "images": 1, "steps": 1, "samples": 1}
MOST = 2**53  # of these
KINDS: dict[str, type] = {"data": str, "device": str, "tf32": bool}
NOTHING = object()


def kept_settings(
    options: Mapping[str, Any], defaults: Mapping[str, Any], config: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The configuration of a run: each setting from the options, the checkpoint, or the defaults.

    Parameters
    ----------
    options
        The options of the command by name; None for those that were not given.
    defaults
        The settings and their defaults.
    config
        The settings in the checkpoint of the run in the folder ``options["resume"]``; None for a
        new run.

    Raises
    ------
    RunError
        For an option that a resumed run cannot change.
    WeightsError
        For a checkpoint that lacks a setting.
    """
    given = {name: value for name, value in options.items() if value is not None}
    new = {name: given[name] for name in defaults if name in given}
    if config is None:
        return {**defaults, **new}
    folder = given["resume"]
    expected = {"images": 0, "data": "", **defaults}
    if not all(_is_sound(config, name, value is None) for name, value in expected.items()):
        raise WeightsError(f"{folder}/{NAME}: it lacks a setting; start another run")
    kept = {name: config[name] for name in defaults if name not in FREE} | {"out": folder}
    for name, value in kept.items():
        if given.get(name, value) != value:
            shown = " ".join(value) if isinstance(value, list) else value
            raise RunError(
                f"--{name.replace('_', '-')}: a resumed run keeps its {name}, {shown}; "
                "start another run to change it"
            )
    return {**config, **new}


def _is_sound(config: Mapping[str, Any], name: str, is_optional: bool) -> bool:
    """Whether a setting is there, of its type and within its bounds."""
    value = config.get(name, NOTHING)
    if value is None:
        return is_optional
    if name == "dataset":
        return isinstance(value, str) and value in SOURCES
    if name == "recipe":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name in LEAST:
        return type(value) is int and LEAST[name] <= value < MOST
    if name == "minutes":
        return isinstance(value, int | float) and 0 < value < MOST
    return type(value) is KINDS[name]
