"""Resuming a run: its images, the trainer's state, and the length that is left."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gan.data.sources import SOURCES
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.images import pictures_shape
from gan.runs.checkpoint import NAME, Checkpoint
from gan.training.trainer import Trainer

ONE_STEP = 1e-9  # minutes: so little that one step uses it up


class Resumable(Protocol):
    """A checkpoint, whose settings name the images of its run."""

    config: dict[str, Any]


def digest(*arrays: np.ndarray) -> str:
    """A short hash of arrays, with their shapes and dtypes."""
    whole = sha256()
    for array in arrays:
        whole.update(f"{array.dtype} {array.shape}".encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()[:16]


def fallback_dataset(checkpoint: Resumable | None, data: str) -> str | None:
    """The dataset to load instead, if these are not the images that the run was trained on.

    An offline run is trained on a bundled sample; its dataset may have become available since.

    Parameters
    ----------
    checkpoint
        Of the run to resume; None for a new run.
    data
        The `digest` of the images that its dataset has now.
    """
    if checkpoint is None or data == checkpoint.config["data"]:
        return None
    dataset = checkpoint.config["dataset"]
    return SOURCES["mnist" if dataset == STACKED else dataset].fallback or None


def check_data(checkpoint: Resumable | None, data: str, path: str | None = None) -> None:
    """Raise `RunError` unless the run was trained on the images with this `digest`.

    Parameters
    ----------
    checkpoint
        Of the run to resume; None for a new run.
    data
        The digest.
    path
        Where the images come from if they are the user's own; else None.
    """
    if checkpoint and data != checkpoint.config["data"]:
        config = checkpoint.config
        if path is not None:
            raise RunError(
                f"{path}: expected the {config['images']:,} images that the run was trained on, "
                "got others; restore them, name their folder with --data, or start another run"
            )
        raise RunError(
            f"data: expected the {config['images']} images of {config['dataset']} that the run "
            "was trained on, got others; name their folder with --data-dir"
        )


def restore(trainer: Trainer, checkpoint: Checkpoint, folder: Path) -> None:
    """Load a checkpoint's state into the trainer.

    Raises
    ------
    RunError
        If the checkpoint does not fit the trainer. The message names the file.
    """
    try:
        trainer.load_state_dict((checkpoint.arrays, checkpoint.rest))
        expected = pictures_shape(len(trainer.fixed_inputs), trainer.image_shape)
        for frame in checkpoint.frames.values():
            if len(frame) != expected[0]:
                raise RunError(f"frames: expected {expected[0]} images in each, got {len(frame)}")
            if frame.shape != expected:
                raise RunError(f"frames: expected shape {expected}, got {frame.shape}")
    except RunError as problem:
        raise RunError(f"{folder / NAME}: {problem}") from None


def length_left(
    config: dict[str, Any], trainer: Trainer, history: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Arguments of `fit` for the rest of the run; None if it has reached its length.

    If the minutes ran out while a checkpoint was written, the history lacks the last steps. One
    more step then adds them.
    """
    epochs = config["epochs"] and config["epochs"] * trainer.steps_per_epoch
    steps = min((end for end in (config["steps"], epochs) if end), default=None)
    minutes = config["minutes"] and config["minutes"] - trainer.seconds / 60
    recorded = history[-1]["step"] if history else 0
    if minutes is not None and trainer.step_count > recorded:
        minutes = max(minutes, ONE_STEP)
    left = {"steps": steps and steps - trainer.step_count, "minutes": minutes}
    return left if all(value is None or value > 0 for value in left.values()) else None
