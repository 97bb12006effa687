"""The settings of a run: its options, a checkpoint's, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan.data.points.files import is_point_file
from gan.data.points.patterns import PATTERNS
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.recipes import DEFAULT, POINTS_DEFAULT, STACKED_DEFAULT, get_recipe
from gan.runs.checkpoint import NAME, Checkpoint
from gan.runs.run import CHECKPOINT_MINUTES
from nn import WeightsError

LENGTHS = ("epochs", "steps", "minutes")
DEFAULTS: dict[str, Any] = {
    "recipe": DEFAULT,
    "dataset": "mnist",
    "batch_size": None,
    "learning_rate": None,
    "g_learning_rate": None,
    "d_learning_rate": None,
    "schedule": None,
    "schedule_steps": None,
    "schedule_factor": None,
    "warmup": None,
    "clip_norm": None,
    "clip_value": None,
    "weight_decay": None,
    "n_critic": None,
    "objective": None,
    "penalty": None,
    "seed": 0,
    "device": "auto",
    "tf32": False,
    "evaluate_every": None,
    "patience": None,
    "validation": None,
    "tensorboard": False,
    "checkpoint_minutes": CHECKPOINT_MINUTES,
}
SOURCE = ("size", "channels", "fit", "labels", "background")  # how own images are read
NUMBER = int | float
TYPES: dict[str, Any] = {
    "recipe": str,
    "dataset": str | None,
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
LATER: dict[str, Any] = {  # runs of earlier versions lack these
    "g_learning_rate": NUMBER | None,
    "d_learning_rate": NUMBER | None,
    "schedule": str | None,
    "schedule_steps": int | None,
    "schedule_factor": NUMBER | None,
    "warmup": int | None,
    "clip_norm": NUMBER | None,
    "clip_value": NUMBER | None,
    "weight_decay": NUMBER | None,
    "n_critic": int | None,
    "objective": str | None,
    "penalty": NUMBER | None,
    "patience": int | None,
    "validation": int | None,
    "tensorboard": bool,
}
MAX_NUMBER = 1e300  # a float can hold it
# Another value of these means another run
FIXED = ("recipe", "dataset", "batch_size", "clip_norm", "n_critic", "validation", "seed", "out")


def settings(options: Mapping[str, Any], checkpoint: Checkpoint | None) -> dict[str, Any]:
    """The configuration of a run: each setting from the options, the checkpoint, or the defaults.

    Parameters
    ----------
    options
        The options of `byhand train` by name; None for those that were not given. With images of
        the user's own, ``config["dataset"]`` is None, and ``config["source"]`` has their name and
        the options of SOURCE.
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
        if "data" in given:
            how = {name: given.get(name) for name in SOURCE}
            name = Path(given["data"]).expanduser().resolve().name
            config |= {"dataset": None, "source": {"name": name, **how}}
        else:
            _check_source(given, {})
        if "recipe" not in given:
            config["recipe"] = recipe_for(config["dataset"], given.get("data"))
        elif not {"data", "dataset"} & given.keys():
            config["dataset"] = dataset_for(given["recipe"])
        if not any(length.values()):
            recipe = get_recipe(config["recipe"])
            length |= {"epochs": recipe.epochs, "steps": recipe.steps}
        return _with_evaluation(config | length, is_new=True)
    config, folder = checkpoint.config, given["resume"]
    config = config | {name: DEFAULTS[name] for name in LATER if name not in config}
    _check_types(config, folder)
    for name in FIXED:
        if name in given and given[name] != config.get(name):
            option = f"--{name.replace('_', '-')}"
            kept = config.get(name, folder)
            kept = "none" if kept is None and name != "dataset" else kept
            if name == "dataset" and kept is None:
                kept = config["source"]["name"]
            raise RunError(
                f"{option}: a resumed run keeps its {name}, {kept}; start another run to change it"
            )
    source = config.get("source") or {}
    if "data" in given and not source:
        raise RunError(
            f"--data: a resumed run keeps its dataset, {config['dataset']}; start another run to "
            "change it"
        )
    _check_source(given, source)
    config = {
        name: given.get(name, value) if name in DEFAULTS else value
        for name, value in config.items()
    }
    config |= length if any(length.values()) else {}
    return _with_evaluation(config, is_new=False)


def recipe_for(dataset: str | None, data: str | None) -> str:
    """The recipe of these data if no option names one."""
    if dataset == STACKED:
        return STACKED_DEFAULT
    if dataset in PATTERNS or data is not None and is_point_file(data):
        return POINTS_DEFAULT
    return DEFAULT


def dataset_for(recipe: str) -> str:
    """The data set of this recipe if no option names one."""
    return next(iter(PATTERNS)) if recipe == POINTS_DEFAULT else DEFAULTS["dataset"]


def _with_evaluation(config: dict[str, Any], *, is_new: bool) -> dict[str, Any]:
    """The configuration with FID after each epoch if `patience` needs it and nothing else is set.

    Raises
    ------
    RunError
        If images are held out that nothing measures, or a resumed run has none for `patience`.
    """
    if config["patience"]:
        if not (is_new or config["validation"] or config.get("held_out")):
            raise RunError(
                "--patience: expected a run with images held out for FID, got one without; start "
                "another run with --patience"
            )
        config["evaluate_every"] = config["evaluate_every"] or 1
    if config["validation"] and not config["evaluate_every"]:
        raise RunError(
            "--validation: expected --evaluate-every or --patience with it, got none; add one of "
            "them, which measure FID on the images held out"
        )
    return config


def _check_source(given: Mapping[str, Any], source: Mapping[str, Any]) -> None:
    """Raise `RunError` for an option about own images other than those of the run, if any."""
    for name in SOURCE:
        if name in given and not source:
            raise RunError(
                f"--{name}: expected --data with it, got none; name a folder of images with "
                f"--data, or do without --{name}"
            )
        if name in given and given[name] != source[name]:
            kept = "the default" if source[name] is None else source[name]
            raise RunError(
                f"--{name}: a resumed run keeps its {name}, {kept}; start another run to change it"
            )


def _is_source(source: object) -> bool:
    """Whether it says how own images are read."""
    return (
        isinstance(source, dict)
        and isinstance(source.get("name"), str)
        and set(source) == {"name", *SOURCE}
        and all(isinstance(value, str | int | None) for value in source.values())
    )


def _check_types(config: dict[str, Any], folder: str) -> None:
    """Raise `WeightsError` unless every setting is there and of its type."""
    for name, kind in (TYPES | LATER).items():
        value = config.get(name, "none")
        is_huge = isinstance(value, NUMBER) and not 0 <= value < MAX_NUMBER
        if name not in config or not isinstance(value, kind) or is_huge:
            raise WeightsError(
                f"{folder}/{NAME}: expected the run's {name}, got {value!r:.80}; "
                "no run wrote this file"
            )
    source = config.get("source")
    if not (_is_source(source) if config["dataset"] is None else source is None):
        raise WeightsError(
            f"{folder}/{NAME}: expected the run's dataset or source, got {source!r:.80}; "
            "no run wrote this file"
        )
