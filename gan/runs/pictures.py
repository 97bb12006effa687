"""The pictures of a run: grids of its fixed samples, and their GIF."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan.data.points.point_set import PointBatches
from gan.folders import unwritable
from gan.images import as_pictures, grid, save_gif, save_picture
from gan.scatter import scatter
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.serialization.files import atomic_write

LATEST = "latest.png"
LOOK_EVERY = 4  # seconds from one latest.png to the next, if no record comes in between
MAX_FRAMES = 300
PICTURE = re.compile(r"step_(\d{6,})\.png")


class PicturesCallback(Callback):
    """Writes samples/latest.png, step_000064.png ..., progress.gif and fixed_samples.npz.

    The first picture is the noise of the untrained generator. Then there is one per record;
    latest.png is also rewritten every LOOK_EVERY seconds. The last two files are written at the
    end.

    Parameters
    ----------
    folder
        The folder of the run.
    frames
        The frames of a resumed run so far.

    Attributes
    ----------
    frames : dict
        The frames of the GIF by step, uint8 (N, H, W) or (N, H, W, 3): those of all records, or of
        MAX_FRAMES of them; see `least_needed`.
    """

    def __init__(self, folder: Path, frames: Mapping[int, np.ndarray] | None = None) -> None:
        self._folder, self._samples = folder, folder / "samples"
        self.frames: dict[int, np.ndarray] = dict(frames or {})
        self._looked = time.monotonic()

    def on_start(self, trainer: Trainer) -> None:
        if trainer.step_count == 0:
            self._add(0, fixed_pictures(trainer))
        else:
            self._save(fixed_pictures(trainer), LATEST)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if not trainer.record_due and time.monotonic() - self._looked >= LOOK_EVERY:
            self._save(fixed_pictures(trainer), LATEST)

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        step = record["step"]
        self._add(step, fixed_pictures(trainer))
        for replaced in [k for k in self.frames if trainer.records.start < k != step]:
            del self.frames[replaced]
            (self._samples / name_of(replaced)).unlink(missing_ok=True)
        if len(self.frames) > MAX_FRAMES:
            del self.frames[least_needed(list(self.frames))]

    def finish(self, trainer: Trainer) -> None:
        """Write the GIF, and the fixed samples: inputs, steps and images."""
        if not self.frames:
            return
        frames = list(self.frames.values())
        save_gif(self._folder / "progress.gif", [grid(frame / 255) for frame in frames])
        inputs = trainer.ops.to_host(trainer.fixed_inputs)
        with atomic_write(self._folder / "fixed_samples.npz") as file:
            np.savez_compressed(
                file, noise=inputs, steps=list(self.frames), images=np.stack(frames)
            )

    def _add(self, step: int, images: np.ndarray) -> None:
        """Add a frame, and write its picture and latest.png."""
        self.frames[step] = np.rint(images * 255).astype(np.uint8)
        self._save(images, name_of(step), LATEST)

    def _save(self, images: np.ndarray, *names: str) -> None:
        """Write a grid of the images to these files."""
        picture = grid(images)
        try:
            for name in names:
                save_picture(self._samples / name, picture)
        except OSError as problem:
            raise unwritable(self._folder, problem) from None
        self._looked = time.monotonic()


def fixed_pictures(trainer: Trainer) -> np.ndarray:
    """The trainer's fixed samples: floats in [0, 1], (N, H, W) or (N, H, W, 3).

    Points are in one picture, with some of the data beneath them.
    """
    samples, batches = trainer.fixed_samples(), trainer.batches
    if isinstance(batches, PointBatches):
        return scatter(samples, beneath=batches.unit)
    return as_pictures(samples, trainer.image_shape)


def name_of(step: int) -> str:
    """The name of the picture of that step."""
    return f"step_{step:06}.png"


def least_needed(steps: Sequence[int]) -> int:
    """The step of the frame to drop: that with the smallest relative gap between its neighbours.

    This thins late frames first, since images change most early. The last frame, which another may
    replace, has no influence.
    """
    inner = range(1, len(steps) - 2)
    return steps[min(inner, key=lambda k: 1 - steps[k - 1] / steps[k + 1])]


def remove_pictures_after(step: int, samples: Path) -> None:
    """Remove the numbered pictures of later steps from the folder."""
    for path in samples.iterdir():
        if (match := PICTURE.fullmatch(path.name)) and int(match[1]) > step:
            path.unlink(missing_ok=True)
