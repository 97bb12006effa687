"""Checkpoints: one file from which a training goes on as if it had never stopped.

`checkpoint.npz` is an archive as nn/serialization/archive.py has it: in its arrays `learnt/...`, all that a `Trainer` has learnt and the order
of its images; `frames`, the film so far; `history`, a row an epoch; `clusters`, where the recipe has them. Its header holds
the configuration, the history's columns, and the rest of the trainer's state: steps, means of the losses, random streams.

Format 1 is version 0.1's: it holds Adam's v without its factor, v = beta2 v + g^2, which format 2 includes. It is read, and a
run goes on from it; what is written is format 2.
"""

import os
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from gan.training.loss_log import COLUMNS as FIGURES
from gan.images import gif_epochs
from gan.recipes import get_recipe
from nn import WeightsError
from nn.serialization.archive import REMEDY, open_archive, write_archive

NAME = "checkpoint.npz"
FORMAT, OLDEST_FORMAT = 2, 1
WHOLE = ("epoch", "step")  # the columns of the history that count
COLUMNS = [*WHOLE, "seconds", "images_per_second", "d_loss", *FIGURES]
MEASURED = "fid"  # a last column, where it is; NaN stands for an epoch without
DTYPES = ("float64", "float32", "int64", "uint16", "uint8")


@dataclass
class Checkpoint:
    """config: the run's settings. data_dir: where its data lie, or None. arrays, rest: the trainer's state. frames: uint8
    (frames, images, 28, 28), one for each of the history's `gif_epochs`. clusters: each image's, or None. history: a record an
    epoch. best: the lowest FID, or None."""

    config: dict
    data_dir: str | None
    arrays: dict
    rest: dict
    frames: np.ndarray
    clusters: np.ndarray | None
    history: list
    best: float | None


def write_checkpoint(path, checkpoint):
    """Write it whole or not at all: what was at `path` stays until then."""
    header = {
        "format": FORMAT,
        **{name: getattr(checkpoint, name) for name in ("config", "data_dir", "rest", "best")},
    }
    header["columns"] = list(checkpoint.history[0]) if checkpoint.history else []
    table = [
        [np.nan if figure is None else figure for figure in record.values()]
        for record in checkpoint.history
    ]
    arrays = {f"learnt/{name}": array for name, array in checkpoint.arrays.items()} | {
        "frames": checkpoint.frames
    }
    arrays["history"] = np.array(table, np.float64).reshape(len(table), len(header["columns"]))
    if checkpoint.clusters is not None:
        arrays["clusters"] = checkpoint.clusters.astype(np.uint16)
    write_archive(path, header, arrays)


def read_checkpoint(path):
    """The `Checkpoint` of a file. Errors: `WeightsError`, which names the file and what is wrong with it."""
    with open_archive(path, "a checkpoint") as archive:
        header = archive.header(FORMAT, OLDEST_FORMAT)
        arrays = {name: archive.array(name, dtypes=DTYPES) for name in archive.names}
        frames, clusters, table = (
            arrays.pop(name, None) for name in ("frames", "clusters", "history")
        )
        odd = [name for name in arrays if not name.startswith("learnt/")]
        if odd or not _is_sound(header, frames, table):
            raise WeightsError(f"it is not a checkpoint that a training wrote; {REMEDY}")
        if header["format"] == 1:
            _include_factor_of_v(arrays, get_recipe(header["config"]["recipe"]).beta2)
    return Checkpoint(
        header["config"], header["data_dir"], {name.removeprefix("learnt/"): array for name, array in arrays.items()},
        header["rest"], frames, clusters, _records(header["columns"], table), header["best"],
    )  # fmt: skip


def _include_factor_of_v(arrays, beta2):
    """Turn the v of format 1, beta2 v + g^2 at each step, into that of the paper, beta2 v + (1 - beta2) g^2."""
    for name in arrays:
        if name.endswith(".adam.v"):
            arrays[name] = arrays[name] * (1 - beta2)


def digest(*arrays):
    """A name for data that only the same data have."""
    whole = sha256()
    for array in arrays:
        whole.update(f"{array.dtype} {array.shape}".encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()[:16]


def _records(columns, table):
    """The table's rows as a training keeps them: {"epoch": 1, "step": 600, "seconds": 1.5, ...}."""
    values = [
        [
            int(v) if name in WHOLE else None if np.isnan(v) else float(v)
            for name, v in zip(columns, row)
        ]
        for row in table
    ]
    return [dict(zip(columns, row)) for row in values]


def _is_sound(header, frames, table):
    """Whether all that the program looks into before the trainer does is there, and of its kind."""
    kinds = {
        "config": dict,
        "data_dir": str | None,
        "rest": dict,
        "columns": list,
        "best": float | None,
    }
    if not all(name in header and isinstance(header[name], kind) for name, kind in kinds.items()):
        return False
    columns = header["columns"]
    if table is None or columns not in ([COLUMNS, [*COLUMNS, MEASURED]] if len(table) else [[]]):
        return False
    if (
        table.dtype != np.float64
        or table.shape[1:] != (len(columns),)
        or not np.isfinite(table[:, : len(COLUMNS)]).all()
    ):
        return False
    return _is_path(header["data_dir"]) and (
        frames is not None
        and frames.dtype == np.uint8
        and len(frames.shape) == 4
        and len(frames) == len(gif_epochs(len(table)))
        and frames.shape[1] > 0
        and frames.shape[2:] == (28, 28)
    )


def _is_path(name):
    """Whether a name, or None, is one that the system takes."""
    try:
        return b"\0" not in os.fsencode(name or "")
    except UnicodeEncodeError:
        return False
