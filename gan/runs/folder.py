"""Opening the folder of a run: a new one, or one to continue."""

from __future__ import annotations

import os
from pathlib import Path

from gan.errors import RunError
from gan.folders import check_new, new_folder
from gan.runs.checkpoint import NAME
from gan.runs.lock import RunLock


def create_folder(path: str | os.PathLike[str]) -> RunLock:
    """Make the folder of a new run and lock it.

    Raises
    ------
    RunError
        If it cannot be made, contains files already, or is locked by another run.
    """
    path = new_folder(path)
    lock = RunLock(path)
    try:
        check_new(path)  # another run may have used it before we got the lock
    except RunError:
        lock.release()
        raise
    return lock


def open_folder(path: str | os.PathLike[str]) -> RunLock:
    """Lock the folder of a run to continue it.

    Raises
    ------
    RunError
        If it is missing, has no checkpoint, or is locked by another run.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(
            f"{path}: expected the folder of a run, got no folder; "
            "--resume takes the one that --out named"
        )
    if not (path / NAME).exists():
        raise RunError(
            f"{path}: expected a {NAME} in it, got none; start a new run with another --out"
        )
    return RunLock(path)
