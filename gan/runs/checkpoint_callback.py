"""Writing checkpoints while a run trains."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from gan.folders import unwritable
from gan.runs.checkpoint import NAME, Checkpoint, write_checkpoint
from gan.runs.history import History
from gan.runs.pictures import PicturesCallback
from gan.runs.weights import WeightsCallback
from gan.training.callback import Callback
from gan.training.trainer import Trainer


class CheckpointCallback(Callback):
    """Writes checkpoint.npz before the first step, after each epoch, and every few minutes.

    It must be the last callback: a checkpoint contains what the others have recorded.

    Parameters
    ----------
    folder
        The folder of the run.
    config
        Its settings.
    history, pictures, weights
        The callbacks that record the rest of a checkpoint.
    minutes
        From one checkpoint to the next within an epoch.
    data_dir
        The folder of the run's images.
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
        if not trainer.record_due:  # else the checkpoint must contain the record
            self._save_if_due(trainer)

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._save_if_due(trainer)

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint now."""
        arrays, rest = trainer.state_dict()
        checkpoint = Checkpoint(
            self.config,
            self._data_dir,
            arrays,
            rest,
            self._pictures.frames,
            trainer.cluster_ids,
            self._history.rows,
            self._weights.best,
        )
        try:
            write_checkpoint(self._folder / NAME, checkpoint)
        except OSError as problem:
            raise unwritable(self._folder, problem) from None
        self._saved = time.monotonic()

    def _save_if_due(self, trainer: Trainer) -> None:
        """Write a checkpoint if the last one is old and `on_epoch` will not write one now."""
        ends = trainer.ended or trainer.step_count % trainer.steps_per_epoch == 0
        if not ends and time.monotonic() - self._saved >= 60 * self._minutes:
            self.save(trainer)
