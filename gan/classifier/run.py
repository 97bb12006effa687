"""The folder of a classifier's run: its weights, its history and a confusion matrix."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from gan.classifier.confusion import accuracy, confusion_matrix, save_confusion
from gan.classifier.network import CLASSES, save_classifier
from gan.classifier.training import ClassifierTrainer
from gan.folders import new_folder, unwritable, write_history


class ClassifierRun:
    """Evaluates the averaged network on test images after each epoch, and writes the results.

    classifier.npz holds the latest weights, history.csv a line for each epoch; `finish` draws
    confusion.png. Each file is complete or not there.

    Parameters
    ----------
    path
        The folder, new or empty.
    test_images
        uint8 (N, 1, 28, 28).
    test_labels
        Integers (N,).
    config
        Settings to write into the weights file.

    Raises
    ------
    RunError
        If the folder holds files already, or a file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        test_images: np.ndarray,
        test_labels: np.ndarray,
        config: dict[str, Any],
    ) -> None:
        self.path = new_folder(path)
        self.history: list[dict[str, Any]] = []
        self.counts: np.ndarray | None = None
        self._test, self._config = (test_images, test_labels), config

    def add(self, trainer: ClassifierTrainer, record: dict[str, Any]) -> dict[str, Any]:
        """Evaluate and save the network after an epoch; add accuracy and mistakes to its record."""
        network = trainer.averaged_network
        self.counts = counts = confusion_matrix(network, *self._test)
        mistakes = int(counts.sum() - counts.trace())
        record = {**record, "accuracy": accuracy(counts), "mistakes": mistakes}
        self.history.append(record)
        training = {**self._config, "steps_done": trainer.step_count}
        about = {"accuracy": record["accuracy"], "training": training}
        try:
            save_classifier(self.path / "classifier.npz", network, about)
            write_history(self.path, self.history)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        return record

    def finish(self) -> None:
        """Draw the latest confusion matrix."""
        try:
            if self.counts is not None:
                save_confusion(self.path / "confusion.png", self.counts, CLASSES)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
