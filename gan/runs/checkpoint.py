"""The checkpoint of a run: what it holds, and how it is written and read.

`checkpoint.npz` is an archive; see nn/serialization/archive.py. It contains these arrays:

- `learnt/...`: everything that a `Trainer` has learned, and the order of its images
- `frames`, `frame_steps`: the frames of the GIF so far, and the step of each
- `history`: a row per record
- `clusters`: the cluster of each image, if the recipe has clusters

Its header contains the settings, the columns of the history, and the rest of the trainer's state:
steps, mean losses and random streams.

Four formats are read; format 4 is written:

1. Version 0.1 wrote it. Adam's v lacks a factor: v = beta2 v + g^2.
2. v is that of the paper. As in format 1, rows and frames are per epoch, without `frame_steps`.
3. There is a row and a frame per record.
4. As format 3. In earlier ones, the names in `gan.own_recipes.FORMER` mean the recipes there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.data.image_shapes import COLOURS
from gan.own_recipes import FORMER
from gan.recipes import get_recipe
from gan.training.recording.loss_means import COLUMNS as FIGURES
from gan.training.recording.loss_means import NORMS
from nn import WeightsError
from nn.serialization.archive import open_archive, write_archive
from nn.serialization.npy import REMEDY

NAME = "checkpoint.npz"
FORMAT, OLDEST_FORMAT = 4, 1
INTEGERS = ("epoch", "step")  # columns of the history
COLUMNS = [*INTEGERS, "seconds", "images_per_second", "d_loss", *FIGURES]
MEASURED = "fid"  # an optional last column; NaN for a record without a measurement
HISTORIES = [[*COLUMNS, *norms, *fid] for norms in ((), NORMS) for fid in ((), (MEASURED,))]
MAX_FRAMES_2 = 300  # of format 2, not counting the last
MAX_STEP = 2**53
DTYPES = ("float64", "float32", "int64", "uint16", "uint8")


@dataclass
class Checkpoint:
    """Everything that a run needs to continue.

    Parameters
    ----------
    config
        The settings of the run.
    data_dir
        The folder of its images, or None.
    arrays, rest
        The trainer's `state_dict`.
    frames
        The frames of the GIF by step: the fixed samples, uint8 (images, H, W) or (images, H, W, 3).
    clusters
        Integers (N,), the cluster of each image, or None.
    history
        A row per record.
    best
        The lowest FID so far, or None.
    """

    config: dict[str, Any]
    data_dir: str | None
    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]
    frames: dict[int, np.ndarray]
    clusters: np.ndarray | None
    history: list[dict[str, Any]]
    best: float | None


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically."""
    history = checkpoint.history
    header: dict[str, Any] = {"format": FORMAT}
    for name in ("config", "data_dir", "rest", "best"):
        header[name] = getattr(checkpoint, name)
    header["columns"] = list(history[0]) if history else []
    table = [[np.nan if value is None else value for value in row.values()] for row in history]
    arrays = {f"learnt/{name}": array for name, array in checkpoint.arrays.items()}
    frames = list(checkpoint.frames.values())
    arrays["frames"] = np.stack(frames) if frames else np.empty((0, 1, 1, 1), np.uint8)
    arrays["frame_steps"] = np.array(list(checkpoint.frames), np.int64)
    arrays["history"] = np.array(table, np.float64).reshape(len(table), len(header["columns"]))
    if checkpoint.clusters is not None:
        arrays["clusters"] = checkpoint.clusters.astype(np.uint16)
    write_archive(path, header, arrays)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    WeightsError
        If it is not a checkpoint. The message names the file and the reason.
    """
    with open_archive(path, "a checkpoint") as archive:
        header = archive.header(FORMAT, OLDEST_FORMAT)
        arrays = {name: archive.array(name, dtypes=DTYPES) for name in archive.names}
        frames, frame_steps, clusters, table = (
            arrays.pop(name, None) for name in ("frames", "frame_steps", "clusters", "history")
        )
        problem = WeightsError(f"it is not a checkpoint that a run wrote; {REMEDY}")
        unknown = [name for name in arrays if not name.startswith("learnt/")]
        if unknown or frames is None or table is None or not _is_sound(header, table):
            raise problem
        history = _rows(header["columns"], table)
        if header["format"] < 3:
            frame_steps = _steps_of_epochs(history)
        if frame_steps is None or not _are_frames(frames, frame_steps):
            raise problem
        config = header["config"]
        if header["format"] < 4 and (former := FORMER.get(str(config.get("recipe")))):
            config["recipe"] = former.name
        if header["format"] == 1:
            _include_factor_of_v(arrays, get_recipe(header["config"]["recipe"]).beta2)
    return Checkpoint(
        config=header["config"],
        data_dir=header["data_dir"],
        arrays={name.removeprefix("learnt/"): array for name, array in arrays.items()},
        rest=header["rest"],
        frames=dict(zip(frame_steps.tolist(), frames)),
        clusters=clusters,
        history=history,
        best=header["best"],
    )


def _include_factor_of_v(arrays: dict[str, np.ndarray], beta2: float) -> None:
    """Turn format 1's v = beta2 v + g^2 into the paper's v = beta2 v + (1 - beta2) g^2."""
    for name in arrays:
        if name.endswith(".adam.v"):
            arrays[name] = arrays[name] * (1 - beta2)


def _rows(columns: list[str], table: np.ndarray) -> list[dict[str, Any]]:
    """The rows of the table as dicts: {"epoch": 1, "step": 600, "seconds": 1.5, ...}."""

    def value(column: str, number: float) -> float | None:
        if column in INTEGERS:
            return int(number)
        return None if np.isnan(number) else float(number)

    return [{name: value(name, number) for name, number in zip(columns, row)} for row in table]


def _is_sound(header: Mapping[str, Any], table: np.ndarray) -> bool:
    """Whether the header and the history are well-typed; the trainer checks its state."""
    types: dict[str, Any] = {
        "config": dict,
        "data_dir": str | None,
        "rest": dict,
        "columns": list,
        "best": float | None,
    }
    if not all(name in header and isinstance(header[name], kind) for name, kind in types.items()):
        return False
    columns = header["columns"]
    if columns not in (HISTORIES if len(table) else [[]]):
        return False
    if table.dtype != np.float64 or table.shape[1:] != (len(columns),):
        return False
    return bool(np.isfinite(table[:, : len(COLUMNS)]).all()) and _is_path(header["data_dir"])


def _are_frames(frames: np.ndarray, steps: np.ndarray) -> bool:
    """Whether these are frames of a GIF and their steps."""
    return (
        frames.dtype == np.uint8
        and (frames.ndim == 4 or frames.ndim == 5 and frames.shape[4] == COLOURS)
        and min(frames.shape[1:]) > 0
        and steps.dtype == np.int64
        and steps.shape == (len(frames),)
        and bool((steps[:1] >= 0).all() and (steps[1:] > steps[:-1]).all())
    )


def _steps_of_epochs(history: list[dict[str, Any]]) -> np.ndarray:
    """The step of each frame of format 2: of every n-th epoch and the last, n a power of two."""
    n_epochs, every = len(history), 1
    while n_epochs > MAX_FRAMES_2 * every:
        every *= 2
    rows = [*history[: n_epochs - 1 : every], *history[-1:]]
    return np.clip([float(row["step"]) for row in rows], -1, MAX_STEP).astype(np.int64)


def _is_path(name: str | None) -> bool:
    """Whether the operating system accepts the name as a path."""
    try:
        return b"\0" not in os.fsencode(name or "")
    except UnicodeEncodeError:
        return False
