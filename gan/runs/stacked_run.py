"""A comparison of recipes on Stacked MNIST: its folder, its lock and its files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from gan.errors import RunError
from gan.folders import unwritable
from gan.images import save_picture
from gan.runs.checkpoint import NAME
from gan.runs.lock import RunLock
from gan.runs.run import CHECKPOINT_MINUTES, write_config
from gan.runs.state_checkpoint import (
    StateCheckpoint,
    read_state_checkpoint,
    write_state_checkpoint,
)
from gan.runs.state_run import StateRun
from gan.runs.weights import save_trained
from gan.training.callback import Callback
from gan.training.state import TrainerState
from gan.training.trainer import Trainer
from nn import WeightsError
from nn.serialization.files import atomic_write, remove_temporaries

KIND = "stacked-mnist"  # of checkpoint
REST = {"recipe": str, "trainer": dict, "rows": list}


class StackedRun(StateRun, Callback):
    """The folder of a comparison.

    As a callback, it writes checkpoints while a recipe trains. Each file is either complete or
    absent:

    - config.json: the settings
    - NAME.npz, NAME.png: the weights of a recipe, and its fixed samples
    - modes.json: the settings, and a row per recipe
    - checkpoint.npz: the state of the recipe that trains, and the rows before it

    The folder is locked until `release`.

    Attributes
    ----------
    rows
        The results of the recipes that are complete.
    """

    def __init__(
        self, path: Path, lock: RunLock, checkpoint: StateCheckpoint | None = None
    ) -> None:
        super().__init__(path, lock, checkpoint)
        self.rows: list[dict[str, Any]] = list(checkpoint.rest["rows"]) if checkpoint else []
        self._saved = time.monotonic()

    @staticmethod
    def read_checkpoint(path: Path) -> StateCheckpoint:
        checkpoint = read_state_checkpoint(path, KIND)
        rest = checkpoint.rest
        if not all(isinstance(rest.get(name), kind) for name, kind in REST.items()) or not all(
            isinstance(row, dict) and isinstance(row.get("recipe"), str) for row in rest["rows"]
        ):
            raise WeightsError(f"{path}: it lacks results; start another run")
        return checkpoint

    def start(self, config: dict[str, Any], data_dir: str | None = None) -> None:
        """Write config.json.

        Parameters
        ----------
        config
            The settings of the run.
        data_dir
            The folder of the digits, which a resumed run looks in.
        """
        self._config, self._data_dir = config, data_dir
        try:
            remove_temporaries(self.path)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        write_config(self.path, config)

    def restore(self, trainer: Trainer) -> None:
        """Load the state of a resumed run, if it is of this recipe.

        Raises
        ------
        RunError
            If it does not fit the trainer. The message names the file.
        """
        if self.checkpoint and self.checkpoint.rest["recipe"] == trainer.recipe.name:
            state = TrainerState(self.checkpoint.arrays, self.checkpoint.rest["trainer"])
            try:
                trainer.load_state_dict(state)
            except RunError as problem:
                raise RunError(f"{self.path / NAME}: {problem}") from None

    def on_start(self, trainer: Trainer) -> None:
        self._save_checkpoint(trainer)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if time.monotonic() - self._saved >= 60 * CHECKPOINT_MINUTES:
            self._save_checkpoint(trainer)

    def save(self, trainer: Trainer, picture: np.ndarray) -> None:
        """Write the weights of a recipe, its picture and a checkpoint."""
        name = trainer.recipe.name
        try:
            save_trained(self.path / f"{name}.npz", trainer, self._config)
            save_picture(self.path / f"{name}.png", picture)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        self._save_checkpoint(trainer)

    def write_report(self, rows: list[dict[str, Any]]) -> None:
        """Write modes.json with these rows."""
        text = json.dumps(self._config | {"rows": rows}, indent=2) + "\n"
        try:
            with atomic_write(self.path / "modes.json") as file:
                file.write(text.encode())
        except OSError as problem:
            raise unwritable(self.path, problem) from None

    def _save_checkpoint(self, trainer: Trainer) -> None:
        """Write checkpoint.npz."""
        arrays, state = trainer.state_dict()
        rest = {"recipe": trainer.recipe.name, "trainer": state, "rows": self.rows}
        checkpoint = StateCheckpoint(self._config, self._data_dir, arrays, rest)
        try:
            write_state_checkpoint(self.path / NAME, KIND, checkpoint)
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        self._saved = time.monotonic()
