"""Checkpoints of a classifier's run.

`checkpoint.npz` is an archive; see nn/serialization/archive.py. Its arrays are those of the
trainer's state, as `learned/...`, and `history`, a row of numbers per epoch. Its header contains
the kind of run, the settings, the folder of the images, the columns of the history, and the rest of
the state.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nn import WeightsError
from nn.serialization.archive import REMEDY, open_archive, write_archive

FORMAT = 1
LEARNED = "learned/"
INTEGERS = ("epoch", "step", "mistakes")  # columns of the history
TYPES: dict[str, Any] = {
    "kind": str,
    "config": dict,
    "data_dir": str | None,
    "rest": dict,
    "columns": list,
}
DTYPES = ("float64", "float32", "int64")


@dataclass
class StateCheckpoint:
    """Everything that a run needs to continue.

    Parameters
    ----------
    config
        The settings of the run.
    data_dir
        The folder of its images, or None.
    arrays, rest
        The state: host arrays by name, and what JSON can hold.
    history
        A row of numbers per epoch.
    """

    config: dict[str, Any]
    data_dir: str | None
    arrays: dict[str, np.ndarray]
    rest: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)


def write_state_checkpoint(
    path: str | os.PathLike[str],
    kind: str,
    checkpoint: StateCheckpoint,
    columns: Sequence[str] = (),
) -> None:
    """Write a checkpoint atomically.

    Parameters
    ----------
    path
        The .npz.
    kind
        The kind of run, such as "classifier".
    checkpoint
        What to write.
    columns
        The keys of each row of its history.
    """
    header = {
        "format": FORMAT,
        "kind": kind,
        "config": checkpoint.config,
        "data_dir": checkpoint.data_dir,
        "rest": checkpoint.rest,
        "columns": list(columns),
    }
    arrays = {f"{LEARNED}{name}": array for name, array in checkpoint.arrays.items()}
    table = [[row[name] for name in columns] for row in checkpoint.history]
    arrays["history"] = np.array(table, np.float64).reshape(len(table), len(columns))
    write_archive(path, header, arrays)


def read_state_checkpoint(
    path: str | os.PathLike[str], kind: str, columns: Sequence[str] = ()
) -> StateCheckpoint:
    """Read a checkpoint of this kind, with these columns in its history.

    Raises
    ------
    WeightsError
        If it is not such a checkpoint. The message names the file and the reason.
    """
    with open_archive(path, "a checkpoint") as archive:
        header = archive.header(FORMAT, FORMAT)
        arrays = {name: archive.array(name, dtypes=DTYPES) for name in archive.names}
        table = arrays.pop("history", None)
        if (
            table is None
            or not _is_sound(header, arrays, table)
            or (header["kind"], header["columns"]) != (kind, list(columns))
        ):
            raise WeightsError(f"it is not a checkpoint of kind {kind!r}; {REMEDY}")
    rows = [
        {name: int(cell) if name in INTEGERS else float(cell) for name, cell in zip(columns, row)}
        for row in table
    ]
    learned = {name.removeprefix(LEARNED): array for name, array in arrays.items()}
    return StateCheckpoint(header["config"], header["data_dir"], learned, header["rest"], rows)


def _is_sound(header: dict[str, Any], arrays: dict[str, np.ndarray], table: np.ndarray) -> bool:
    """Whether everything is present and well-typed, except the state, which the trainer checks."""
    return (
        all(name in header and isinstance(header[name], kind) for name, kind in TYPES.items())
        and "\0" not in (header["data_dir"] or "")
        and all(name.startswith(LEARNED) for name in arrays)
        and table.ndim == 2
        and table.shape[1] == len(header["columns"])
        and table.dtype == np.float64
        and bool(np.isfinite(table).all())
    )
