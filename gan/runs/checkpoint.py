"""Checkpoints: one file from which a run continues as if it had never stopped.

`checkpoint.npz` is an archive; see nn/serialization/archive.py. Its arrays are `learnt/...`, all
that a `Trainer` has learned and the order of its images; `frames`, the GIF so far; `history`, a row
per epoch; `clusters`, where the recipe has them. Its header holds the configuration, the columns of
the history, and the rest of the trainer's state: steps, mean losses, random streams.

Format 1 is that of version 0.1. Its Adam v lacks a factor: v = beta2 v + g^2. Format 2 has the v of
the paper. Both are read; format 2 is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from gan.folders import unwritable
from gan.images import gif_epochs
from gan.recipes import get_recipe
from gan.runs.history import History
from gan.runs.pictures import PicturesCallback
from gan.runs.weights import WeightsCallback
from gan.training.loss_log import COLUMNS as FIGURES
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import WeightsError
from nn.serialization.archive import open_archive, write_archive
from nn.serialization.npy import REMEDY

NAME = "checkpoint.npz"
FORMAT, OLDEST_FORMAT = 2, 1
INTEGERS = ("epoch", "step")  # columns of the history
COLUMNS = [*INTEGERS, "seconds", "images_per_second", "d_loss", *FIGURES]
MEASURED = "fid"  # an optional last column; NaN for an epoch without
DTYPES = ("float64", "float32", "int64", "uint16", "uint8")


@dataclass
class Checkpoint:
    """All that a run needs to continue.

    Parameters
    ----------
    config
        The settings of the run.
    data_dir
        The folder of its data, or None.
    arrays, rest
        The state of the trainer.
    frames
        uint8 (frames, images, 28, 28), one for each epoch of the GIF; see `gif_epochs`.
    clusters
        Integers (N,), the cluster of each image, or None.
    history
        A row per epoch.
    best
        The lowest FID, or None.
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
        Names the file and what is wrong with it.
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


class CheckpointCallback(Callback):
    """Writes checkpoint.npz before the first step, after each epoch, and every few minutes.

    It stands last in the trainer's list: a checkpoint is of what the others have recorded.

    Parameters
    ----------
    folder
        The folder of the run.
    config
        Its settings.
    history, pictures, weights
        What records the rest of a checkpoint.
    minutes
        From one checkpoint to the next within an epoch.
    data_dir
        The folder of the run's data.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        history: History,
        pictures: PicturesCallback,
        weights: WeightsCallback,
        *,
        minutes: float,
        data_dir: str | None,
    ) -> None:
        self._folder, self.config = folder, config
        self._history, self._pictures, self._weights = history, pictures, weights
        self._minutes, self._data_dir = minutes, data_dir
        self._saved = time.monotonic()

    def on_start(self, trainer: Trainer) -> None:
        self.save(trainer)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        # At the end of an epoch, the history must have its row first.
        ends = trainer.ended or trainer.step_count % trainer.steps_per_epoch == 0
        if not ends and time.monotonic() - self._saved >= 60 * self._minutes:
            self.save(trainer)

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint now."""
        frames = self._pictures.frames
        arrays, rest = trainer.state_dict()
        empty = np.empty((0, len(trainer.fixed_inputs), 28, 28), np.uint8)
        checkpoint = Checkpoint(
            self.config,
            self._data_dir,
            arrays,
            rest,
            np.stack(frames) if frames else empty,
            trainer.cluster_ids,
            self._history.rows,
            self._weights.best,
        )
        try:
            write_checkpoint(self._folder / NAME, checkpoint)
        except OSError as problem:
            raise unwritable(self._folder, problem) from None
        self._saved = time.monotonic()


def digest(*arrays: np.ndarray) -> str:
    """A short hash of arrays, their shapes and dtypes."""
    whole = sha256()
    for array in arrays:
        whole.update(f"{array.dtype} {array.shape}".encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()[:16]


def _include_factor_of_v(arrays: dict[str, np.ndarray], beta2: float) -> None:
    """Turn v = beta2 v + g^2, of format 1, into the paper's v = beta2 v + (1 - beta2) g^2."""
    for name in arrays:
        if name.endswith(".adam.v"):
            arrays[name] = arrays[name] * (1 - beta2)


def _rows(columns: list[str], table: np.ndarray) -> list[dict[str, Any]]:
    """The rows of the table as records: {"epoch": 1, "step": 600, "seconds": 1.5, ...}."""

    def value(column: str, number: float) -> float | None:
        if column in INTEGERS:
            return int(number)
        return None if np.isnan(number) else float(number)

    return [{name: value(name, number) for name, number in zip(columns, row)} for row in table]


def _is_sound(header: Mapping[str, Any], frames: np.ndarray, table: np.ndarray) -> bool:
    """Whether all that is used before the trainer checks its state is there, and of its type."""
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
    """Whether the system accepts the name as a path."""
    try:
        return b"\0" not in os.fsencode(name or "")
    except UnicodeEncodeError:
        return False
