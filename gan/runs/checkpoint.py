"""The checkpoint of a run: what it holds, and how it is written and read.

`checkpoint.npz` is an archive; see nn/serialization/archive.py. It contains these arrays:

- `learnt/...`: everything that a `Trainer` has learned, and the order of its images
- `frames`: the frames of the GIF so far
- `history`: a row per epoch
- `clusters`: the cluster of each image, if the recipe has clusters

Its header contains the settings, the columns of the history, and the rest of the trainer's state:
steps, mean losses and random streams.

Version 0.1 wrote format 1. In it, Adam's v lacks a factor: v = beta2 v + g^2. Format 2 has the v of
the paper. Both are read; format 2 is written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.images import gif_epochs
from gan.recipes import get_recipe
from gan.training.loss_log import COLUMNS as FIGURES
from nn import WeightsError
from nn.serialization.archive import open_archive, write_archive
from nn.serialization.npy import REMEDY

NAME = "checkpoint.npz"
FORMAT, OLDEST_FORMAT = 2, 1
INTEGERS = ("epoch", "step")  # columns of the history
COLUMNS = [*INTEGERS, "seconds", "images_per_second", "d_loss", *FIGURES]
MEASURED = "fid"  # an optional last column; NaN for an epoch without a measurement
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
        The fixed samples at each epoch of the GIF (see `gif_epochs`), uint8 (epochs, images, 28,
        28).
    clusters
        Integers (N,), the cluster of each image, or None.
    history
        A row per epoch.
    best
        The lowest FID so far, or None.
    """

    config: dict[str, Any]
    data_dir: str | None
    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]
    frames: np.ndarray
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
    arrays["frames"] = checkpoint.frames
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
        frames, clusters, table = (
            arrays.pop(name, None) for name in ("frames", "clusters", "history")
        )
        unknown = [name for name in arrays if not name.startswith("learnt/")]
        if unknown or frames is None or table is None or not _is_sound(header, frames, table):
            raise WeightsError(f"it is not a checkpoint that a run wrote; {REMEDY}")
        if header["format"] == 1:
            _include_factor_of_v(arrays, get_recipe(header["config"]["recipe"]).beta2)
    return Checkpoint(
        config=header["config"],
        data_dir=header["data_dir"],
        arrays={name.removeprefix("learnt/"): array for name, array in arrays.items()},
        rest=header["rest"],
        frames=frames,
        clusters=clusters,
        history=_rows(header["columns"], table),
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


def _is_sound(header: Mapping[str, Any], frames: np.ndarray, table: np.ndarray) -> bool:
    """Whether everything is present and well-typed, except the state, which the trainer checks."""
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
    if columns not in ([COLUMNS, [*COLUMNS, MEASURED]] if len(table) else [[]]):
        return False
    if table.dtype != np.float64 or table.shape[1:] != (len(columns),):
        return False
    return (
        bool(np.isfinite(table[:, : len(COLUMNS)]).all())
        and _is_path(header["data_dir"])
        and frames.dtype == np.uint8
        and frames.ndim == 4
        and len(frames) == len(gif_epochs(len(table)))
        and frames.shape[1] > 0
        and frames.shape[2:] == (28, 28)
    )


def _is_path(name: str | None) -> bool:
    """Whether the operating system accepts the name as a path."""
    try:
        return b"\0" not in os.fsencode(name or "")
    except UnicodeEncodeError:
        return False
