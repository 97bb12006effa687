"""The pictures of a run: a grid of the fixed samples after each epoch, and their GIF."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from gan.folders import unwritable
from gan.images import gif_epochs, grid, save_gif, save_picture
from gan.runs.history import History
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.serialization.files import atomic_write

LOOK_EVERY = 4  # seconds from one epoch_000.png to the next


class PicturesCallback(Callback):
    """Writes samples/epoch_001.png ... and, at the end, progress.gif and fixed_samples.npz.

    During the first epoch, samples/epoch_000.png shows the latest state. `frames` are the frames of
    the GIF, each uint8 (N, 28, 28).

    Parameters
    ----------
    folder
        The folder of the run.
    history
        Its history, which must come before this callback.
    frames
        The frames of a resumed run so far.
    """

    def __init__(
        self, folder: Path, history: History, frames: np.ndarray | list[np.ndarray] | None = None
    ) -> None:
        self._folder, self._history = folder, history
        self.frames: list[np.ndarray] = [] if frames is None else list(frames)
        self._epochs = gif_epochs(len(history.rows))  # one for each frame
        self._looked = time.monotonic()

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self._history.rows or time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._save_grid(0, grid(trainer.fixed_samples()))
        self._looked = time.monotonic()

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        images = trainer.fixed_samples()
        picture = grid(images)
        epoch = len(self._history.rows)
        frame = np.rint(images.reshape(-1, 28, 28) * 255).astype(np.uint8)
        frames = {**dict(zip(self._epochs, self.frames)), epoch: frame}
        self._epochs = gif_epochs(epoch)
        # A frame is missing if writing failed in its epoch
        self.frames = [frames.get(each, frame) for each in self._epochs]
        self._save_grid(epoch, picture)

    def finish(self, trainer: Trainer) -> None:
        """Write the GIF, and the fixed samples: inputs, epochs and images."""
        if not self.frames:
            return
        save_gif(self._folder / "progress.gif", [grid(frame / 255) for frame in self.frames])
        inputs = trainer.ops.to_host(trainer.fixed_inputs)
        with atomic_write(self._folder / "fixed_samples.npz") as file:
            np.savez_compressed(
                file, noise=inputs, epochs=self._epochs, images=np.stack(self.frames)
            )

    def _save_grid(self, epoch: int, picture: np.ndarray) -> None:
        """Write samples/epoch_NNN.png."""
        try:
            save_picture(self._folder / "samples" / f"epoch_{epoch:03}.png", picture)
        except OSError as problem:
            raise unwritable(self._folder, problem) from None
