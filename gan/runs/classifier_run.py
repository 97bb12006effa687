"""A classifier's run: its folder, its lock and its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gan.classifier.confusion import accuracy, confusion_matrix, save_confusion
from gan.classifier.network import CLASSES, save_classifier
from gan.classifier.state import ClassifierState
from gan.classifier.training import ClassifierTrainer
from gan.errors import RunError
from gan.folders import unwritable, write_history
from gan.runs.checkpoint import NAME
from gan.runs.lock import RunLock
from gan.runs.run import write_config
from gan.runs.state_checkpoint import (
    StateCheckpoint,
    read_state_checkpoint,
    write_state_checkpoint,
)
from gan.runs.state_run import StateRun
from nn.serialization.files import remove_temporaries

KIND = "classifier"  # of checkpoint
COLUMNS = ("epoch", "step", "loss", "learning_rate", "seconds", "accuracy", "mistakes")


class ClassifierRun(StateRun):
    """The folder of a classifier's run.

    Each file is either complete or absent:

    - config.json: the settings
    - classifier.npz: the latest averaged network
    - history.csv: a line per epoch
    - checkpoint.npz: see `StateCheckpoint`
    - confusion.png: the confusion matrix of the test images, drawn by `finish`

    The folder is locked until `finish` or `release`.

    Attributes
    ----------
    history
        A row per epoch.
    """

    def __init__(
        self, path: Path, lock: RunLock, checkpoint: StateCheckpoint | None = None
    ) -> None:
        super().__init__(path, lock, checkpoint)
        self.history = list(checkpoint.history) if checkpoint else []
        self._counts: np.ndarray | None = None

    @staticmethod
    def read_checkpoint(path: Path) -> StateCheckpoint:
        return read_state_checkpoint(path, KIND, COLUMNS)

    def start(
        self, trainer: ClassifierTrainer, config: dict[str, Any], data_dir: str | None = None
    ) -> None:
        """Load the state of a resumed run into the trainer; write config.json and a checkpoint.

        Parameters
        ----------
        trainer
            A new one with the settings of the run.
        config
            These settings, for config.json, checkpoint.npz and classifier.npz.
        data_dir
            The folder of the training images, which a resumed run looks in.

        Raises
        ------
        RunError
            If the checkpoint does not fit the trainer, or a file cannot be written.
        """
        self._config, self._data_dir = config, data_dir
        if self.checkpoint:
            try:
                state = ClassifierState(self.checkpoint.arrays, self.checkpoint.rest)
                trainer.load_state_dict(state)
            except RunError as problem:
                raise RunError(f"{self.path / NAME}: {problem}") from None
        try:
            remove_temporaries(self.path)
            write_config(self.path, config)
            self._save_checkpoint(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None

    def add(
        self,
        trainer: ClassifierTrainer,
        record: dict[str, Any],
        test_images: np.ndarray,
        test_labels: np.ndarray,
    ) -> dict[str, Any]:
        """Evaluate and save the averaged network after an epoch, or a part of one.

        Parameters
        ----------
        trainer
            The trainer.
        record
            What `ClassifierTrainer.epoch` returned. It replaces the row of an interrupted epoch,
            whose seconds are added.
        test_images
            uint8 (N, 1, 28, 28).
        test_labels
            Integers (N,).

        Returns
        -------
        dict
            The row of the history: the record with accuracy and mistakes.
        """
        network = trainer.averaged_network
        self._counts = counts = confusion_matrix(network, test_images, test_labels)
        mistakes = int(counts.sum() - counts.trace())
        row = {**record, "accuracy": accuracy(counts), "mistakes": mistakes}
        if self.history and self.history[-1]["epoch"] == row["epoch"]:
            row["seconds"] += self.history.pop()["seconds"]
        self.history.append(row)
        training = {**self._config, "steps_done": trainer.step_count}
        about = {"accuracy": row["accuracy"], "training": training}
        try:
            save_classifier(self.path / "classifier.npz", network, about)
            write_history(self.path, self.history)
            self._save_checkpoint(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        return row

    def finish(self) -> None:
        """Draw the latest confusion matrix, and release the folder."""
        try:
            if self._counts is not None:
                save_confusion(self.path / "confusion.png", self._counts, CLASSES)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        finally:
            self.release()

    def _save_checkpoint(self, trainer: ClassifierTrainer) -> None:
        """Write checkpoint.npz."""
        arrays, rest = trainer.state_dict()
        checkpoint = StateCheckpoint(self._config, self._data_dir, arrays, rest, self.history)
        write_state_checkpoint(self.path / NAME, KIND, checkpoint, COLUMNS)
