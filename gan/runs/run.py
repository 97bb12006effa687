"""A run: its folder and lock, and the callbacks that record it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan.errors import RunError
from gan.folders import new_folder, unwritable, write_history
from gan.runs.checkpoint import NAME, Checkpoint, read_checkpoint
from gan.runs.checkpoint_callback import CheckpointCallback
from gan.runs.folder import create_folder, open_folder
from gan.runs.history import CurvesCallback, History, Measure
from gan.runs.lock import RunLock
from gan.runs.pictures import PicturesCallback, remove_pictures_after
from gan.runs.weights import WeightsCallback
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.serialization.files import atomic_write, remove_temporaries

CHECKPOINT_MINUTES = 2.0  # from one checkpoint to the next within an epoch


class Run:
    """The folder of a run: `Run.create` makes a new one, `Run.resume` opens one to continue.

    ``trainer.fit(callbacks=run.callbacks)`` records training in it, and ``run.finish(trainer)``
    writes the rest. Each file is either complete or absent:

    - config.json: the settings
    - weights.npz, best.npz: see `WeightsCallback`
    - samples/, progress.gif, fixed_samples.npz: see `PicturesCallback`
    - history.csv, losses.png: see `CurvesCallback`
    - checkpoint.npz: see `CheckpointCallback`

    The folder is locked until `finish` or `release`.

    Attributes
    ----------
    path
        The folder.
    checkpoint
        The state of a resumed run when it stopped; None for a new run.
    callbacks
        They record the run. A resumed run has none until `start`.
    """

    def __init__(self, path: Path, lock: RunLock, checkpoint: Checkpoint | None = None) -> None:
        self.path, self.checkpoint = path, checkpoint
        self._lock = lock
        self.callbacks: list[Callback] = []

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        config: dict[str, Any],
        fid: Measure | None = None,
        *,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
        data_dir: str | None = None,
    ) -> Run:
        """Make the folder of a new run; the parameters are those of `start`.

        Raises
        ------
        RunError
            If the folder cannot be made, contains files already, or belongs to another run.
        """
        run = cls(Path(path), create_folder(path))
        try:
            new_folder(run.path / "samples")
            run.start(config, fid, checkpoint_minutes=checkpoint_minutes, data_dir=data_dir)
        except RunError:
            run.release()
            raise
        return run

    @classmethod
    def resume(cls, path: str | os.PathLike[str]) -> Run:
        """Open the folder of a run to continue it. Nothing in it changes before `start`.

        Raises
        ------
        RunError
            If the folder is missing, has no checkpoint, or is locked by another run.
        WeightsError
            If the checkpoint cannot be read.
        """
        lock = open_folder(path)
        try:
            return cls(Path(path), lock, read_checkpoint(Path(path) / NAME))
        except BaseException:
            lock.release()
            raise

    def start(
        self,
        config: dict[str, Any],
        fid: Measure | None = None,
        *,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
        data_dir: str | None = None,
    ) -> None:
        """Write config.json and make the callbacks.

        Parameters
        ----------
        config
            The settings of the run, for config.json, checkpoints and weights files.
        fid
            Called as fid(trainer, epoch) after each epoch. It returns the FID, or None if none is
            due.
        checkpoint_minutes
            From one checkpoint to the next within an epoch.
        data_dir
            The folder of the training images, which a resumed run looks in.
        """
        before = self.checkpoint
        self._history = History(before.history if before else (), fid)
        if before:
            self._clean_up(before.frames)
        write_config(self.path, config)
        self._pictures = PicturesCallback(self.path, before.frames if before else None)
        best = before.best if before else None
        self._weights = WeightsCallback(self.path, config, self._history, best)
        self._curves = CurvesCallback(self.path, self._history)
        checkpoints = CheckpointCallback(
            self.path,
            config,
            self._history,
            self._pictures,
            self._weights,
            minutes=checkpoint_minutes,
            data_dir=data_dir,
        )
        recording = (self._history, self._pictures, self._weights, self._curves, checkpoints)
        self.callbacks = list(recording)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows of history.csv so far."""
        return self._history.rows

    def finish(self, trainer: Trainer) -> None:
        """Write the weights, the curves, the GIF and the fixed samples; release the folder."""
        try:
            self._weights.save(trainer)
            self._curves.finish()
            self._pictures.finish(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        finally:
            self.release()

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    def _clean_up(self, frames: Mapping[int, np.ndarray]) -> None:
        """Restore the folder to the state of its checkpoint."""
        try:
            (self.path / "samples").mkdir(exist_ok=True)
            remove_temporaries(self.path)
            remove_temporaries(self.path / "samples")
            # Records after the checkpoint will be repeated
            remove_pictures_after(max(frames, default=0), self.path / "samples")
            if self.history:
                write_history(self.path, self.history)
        except OSError as problem:
            raise unwritable(self.path, problem) from None


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write config.json."""
    try:
        with atomic_write(folder / "config.json") as file:
            file.write((json.dumps(config, indent=2) + "\n").encode())
    except OSError as problem:
        raise unwritable(folder, problem) from None
