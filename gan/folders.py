"""Folders for results, which never overwrite older results."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.errors import RunError
from nn.serialization.files import atomic_write

LOCK = ".lock"  # in the folder of a run; see gan/runs/lock.py


def check_new(path: Path) -> None:
    """Raise `RunError` unless the folder is new or empty and can be made."""
    try:
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if not above.is_dir():
            raise RunError(
                f"{path}: expected a folder at {above}, which is a file; name another with --out"
            )
        if path.exists() and any(each.name != LOCK for each in path.iterdir()):
            raise RunError(
                f"{path}: expected an empty or new folder, got one that holds files already; "
                "name another with --out"
            )
    except OSError as problem:
        raise _cannot_be_made(path, problem) from None


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder.

    Raises
    ------
    RunError
        If the folder cannot be made or written, or contains anything already.
    """
    path = Path(path)
    check_new(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise _cannot_be_made(path, problem) from None
    return path


def write_history(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write history.csv, a line per record; all records have the same keys."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    table.writeheader()
    for record in records:
        cells = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in record.items()}
        table.writerow(cells)
    with atomic_write(folder / "history.csv") as file:
        file.write(text.getvalue().encode())


def unwritable(folder: Path, problem: OSError) -> RunError:
    """The `RunError` for an `OSError` raised while results were written into the folder."""
    return RunError(
        f"{folder}: cannot be written ({problem.strerror}); what was saved before is whole"
    )


def _cannot_be_made(path: Path, problem: OSError) -> RunError:
    """The error for a folder that cannot be made."""
    return RunError(
        f"{path}: cannot be written ({problem.strerror}); name another folder with --out"
    )
