"""The checkpoint of a classifier's run: what it holds, and how it is written and read.

`checkpoint.npz` is an archive; see nn/serialization/archive.py. Its arrays are those of the
`ClassifierState`, as `learned/...`, and `history`, a row per epoch. Its header contains the
settings, the folder of the images, the columns of the history, and the rest of the state.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.classifier.state import ClassifierState
from nn import WeightsError
from nn.serialization.archive import REMEDY, open_archive, write_archive

FORMAT = 1
KIND = "classifier"
LEARNED = "learned/"
INTEGERS = ("epoch", "step", "mistakes")  # columns of the history
COLUMNS = ["epoch", "step", "loss", "learning_rate", "seconds", "accuracy", "mistakes"]
TYPES: dict[str, Any] = {
    "kind": str,
    "config": dict,
    "data_dir": str | None,
    "rest": dict,
    "columns": list,
}
DTYPES = ("float64", "float32", "int64")


@dataclass
class ClassifierCheckpoint:
    """Everything that a classifier's run needs to continue.

    Parameters
    ----------
    config
        The settings of the run.
    data_dir
        The folder of its images, or None.
    state
        The trainer's.
    history
        A row per epoch.
    """

    config: dict[str, Any]
    data_dir: str | None
    state: ClassifierState
    history: list[dict[str, Any]]


def write_classifier_checkpoint(
    path: str | os.PathLike[str], checkpoint: ClassifierCheckpoint
) -> None:
    """Write a checkpoint atomically."""
    header = {
        "format": FORMAT,
        "kind": KIND,
        "config": checkpoint.config,
        "data_dir": checkpoint.data_dir,
        "rest": checkpoint.state.rest,
        "columns": COLUMNS,
    }
    arrays = {f"{LEARNED}{name}": array for name, array in checkpoint.state.arrays.items()}
    table = [[row[name] for name in COLUMNS] for row in checkpoint.history]
    arrays["history"] = np.array(table, np.float64).reshape(len(table), len(COLUMNS))
    write_archive(path, header, arrays)


def read_classifier_checkpoint(path: str | os.PathLike[str]) -> ClassifierCheckpoint:
    """Read a checkpoint.

    Raises
    ------
    WeightsError
        If it is not a checkpoint of a classifier's run. The message names the file and the reason.
    """
    with open_archive(path, "a checkpoint") as archive:
        header = archive.header(FORMAT, FORMAT)
        arrays = {name: archive.array(name, dtypes=DTYPES) for name in archive.names}
        table = arrays.pop("history", None)
        if table is None or not _is_sound(header, arrays, table):
            raise WeightsError(f"it is not a checkpoint of a classifier's run; {REMEDY}")
    learned = {name.removeprefix(LEARNED): array for name, array in arrays.items()}
    rows = [
        {name: int(cell) if name in INTEGERS else float(cell) for name, cell in zip(COLUMNS, row)}
        for row in table
    ]
    state = ClassifierState(learned, header["rest"])
    return ClassifierCheckpoint(header["config"], header["data_dir"], state, rows)


def _is_sound(header: dict[str, Any], arrays: dict[str, np.ndarray], table: np.ndarray) -> bool:
    """Whether everything is present and well-typed, except the state, which the trainer checks."""
    return (
        all(name in header and isinstance(header[name], kind) for name, kind in TYPES.items())
        and (header["kind"], header["columns"]) == (KIND, COLUMNS)
        and "\0" not in (header["data_dir"] or "")
        and all(name.startswith(LEARNED) for name in arrays)
        and table.shape[1:] == (len(COLUMNS),)
        and table.dtype == np.float64
        and bool(np.isfinite(table).all())
    )
