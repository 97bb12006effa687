"""The folder of a run whose checkpoint is a `StateCheckpoint`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from gan.runs.checkpoint import NAME
from gan.runs.folder import create_folder, open_folder
from gan.runs.lock import RunLock
from gan.runs.state_checkpoint import StateCheckpoint


class StateRun:
    """The folder of a run: `create` makes a new one, `resume` opens one to continue.

    The folder is locked until `release`. A subclass reads its checkpoint and writes the files.

    Attributes
    ----------
    path
        The folder.
    checkpoint
        The state of a resumed run when it stopped; None for a new run.
    """

    def __init__(
        self, path: Path, lock: RunLock, checkpoint: StateCheckpoint | None = None
    ) -> None:
        self.path, self.checkpoint = path, checkpoint
        self._lock = lock

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> Self:
        """Make the folder of a new run.

        Raises
        ------
        RunError
            If it cannot be made, contains files already, or is locked by another run.
        """
        return cls(Path(path), create_folder(path))

    @classmethod
    def resume(cls, path: str | os.PathLike[str]) -> Self:
        """Open the folder of a run to continue it. Nothing in it changes before `start`.

        Raises
        ------
        RunError
            If it is missing, has no checkpoint, or is locked by another run.
        WeightsError
            If the checkpoint cannot be read.
        """
        lock = open_folder(path)
        try:
            return cls(Path(path), lock, cls.read_checkpoint(Path(path) / NAME))
        except BaseException:
            lock.release()
            raise

    @staticmethod
    def read_checkpoint(path: Path) -> StateCheckpoint:
        """Read the checkpoint of such a run."""
        raise NotImplementedError

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()
