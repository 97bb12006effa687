"""What a training leaves behind: a folder with its weights, pictures, figures and settings."""

import csv
import io
import json
import time
from pathlib import Path

import numpy as np

from gan.runs import checkpoint as checkpoints
from gan.images import gif_epochs, grid, save_curves, save_gif, save_picture
from gan.runs.lock import RunLock
from gan.training.callback import Callback
from gan.errors import RunError
from nn import save_weights
from nn.serialization.files import atomic_write, remove_temporaries

CHECKPOINT_MINUTES = 2.0  # from one checkpoint to the next within an epoch
CURVES_EVERY = 15  # seconds: drawing them takes half a second
LOOK_EVERY = 4  # seconds, until the first epoch is over


def check_new(path):
    """Raise `RunError` if the path is there and is not an empty folder, or cannot be below what is there."""
    try:
        above = next(parent for parent in path.absolute().parents if parent.exists())
        if not above.is_dir():
            raise RunError(f"{path}: expected a folder at {above}, which is a file; name another with --out")
        if path.exists() and any(path.iterdir()):
            raise RunError(f"{path}: expected an empty or new folder, it holds files already; name another with --out")
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); name another folder with --out") from None


def new_folder(path):
    """Make the folder; `RunError` if it cannot be made or written, or holds anything already."""
    path = Path(path)
    check_new(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); name another folder with --out") from None
    return path


def write_history(folder, records):
    """Write history.csv: a line for each record, dicts with the same keys."""
    text = io.StringIO()
    table = csv.DictWriter(text, records[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in records)
    with atomic_write(folder / "history.csv") as file:
        file.write(text.getvalue().encode())


def unwritable(folder, problem):
    """The error for an `OSError` while a run writes into its folder."""
    return RunError(f"{folder}: cannot be written ({problem.strerror}); what was saved before is whole")


class RunFolder(Callback):
    """Writes into a folder as training goes on, each file whole or not at all.

    weights.npz (G and D, the newest), samples/epoch_001.png ..., with an epoch_000.png of how far the first one is for those
    who wait for it, fixed_samples.npz (the fixed inputs as `noise`, the film's `epochs`, and the `images` made of those inputs
    after each of these as uint8 (frames, 64, 28, 28)), history.csv (a line an epoch), losses.png, progress.gif, config.json, and
    checkpoint.npz, from which `resumed` goes on: after each epoch, and every so many minutes.

    fid: a `FIDCallback`, whose figures go into history.csv and losses.png; best.npz is then the weights with the lowest.
    data_dir: where the images came from, for the checkpoint. The folder is locked until `finish`. Errors: `RunError` as soon
    as a file cannot be written, and for a folder that holds files already or belongs to another run.
    """

    def __init__(self, path, config, fid=None, *, minutes=CHECKPOINT_MINUTES, data_dir=None):
        path = new_folder(path)
        self._open(path, RunLock(path), config, fid, minutes, data_dir)
        check_new(path)  # another run may have come and gone before the lock was ours
        new_folder(path / "samples")
        self._write_config()

    @classmethod
    def resumed(cls, path, lock, checkpoint, config, fid=None, *, minutes=CHECKPOINT_MINUTES, data_dir=None):
        """A folder that goes on where a checkpoint of it was written; the lock is already held."""
        folder = cls.__new__(cls)
        folder._open(Path(path), lock, config, fid, minutes, data_dir)
        column = {"fid": None} if fid else {}  # which epochs before an --evaluate-every lack
        folder.history, folder.frames = [{**record, **column, **record} for record in checkpoint.history], list(checkpoint.frames)
        folder.best = float("inf") if checkpoint.best is None else checkpoint.best
        try:
            (folder.path / "samples").mkdir(exist_ok=True)
            remove_temporaries(folder.path)
            remove_temporaries(folder.path / "samples")
            if folder.history:  # epochs that are later than the checkpoint will come again
                write_history(folder.path, folder.history)
        except OSError as problem:
            raise unwritable(folder.path, problem) from None
        folder._write_config()
        return folder

    def _open(self, path, lock, config, fid, minutes, data_dir):
        self.path, self.config, self.fid, self.best = path, config, fid, float("inf")
        self._lock, self._minutes, self._data_dir = lock, minutes, data_dir
        self.history, self.frames = [], []
        self._curves_drawn = self._looked = self._saved = time.monotonic()

    def on_start(self, trainer):
        try:
            self._save_checkpoint(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None

    def on_log(self, trainer, record):
        try:
            if not self.history and time.monotonic() - self._looked >= LOOK_EVERY:
                save_picture(self.path / "samples" / "epoch_000.png", grid(trainer.fixed_samples()))
                self._looked = time.monotonic()
            ends = trainer.ended or trainer.step_count % trainer.steps_per_epoch == 0  # the history wants the epoch's record first
            if not ends and time.monotonic() - self._saved >= 60 * self._minutes:
                self._save_checkpoint(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None

    def on_epoch(self, trainer, record):
        images = trainer.fixed_samples()
        sheet = grid(images)
        if self.fid:
            record["fid"] = self.fid(trainer, record["epoch"])
        frames = dict(zip(gif_epochs(len(self.history)), self.frames))
        if self.history and self.history[-1]["epoch"] == record["epoch"]:  # which an earlier end of training cut short
            self.history.pop()
        self.history.append(record)
        frames[len(self.history)] = np.rint(images.reshape(-1, 28, 28) * 255).astype(np.uint8)
        self.frames = [frames[epoch] for epoch in gif_epochs(len(self.history))]
        try:
            save_picture(self.path / "samples" / f"epoch_{len(self.history):03}.png", sheet)
            self.save_weights(trainer)
            if record.get("fid") is not None and record["fid"] < self.best:
                self.best = record["fid"]
                self.save_weights(trainer, "best.npz")
            write_history(self.path, self.history)
            if len(self.history) == 1 or time.monotonic() - self._curves_drawn > CURVES_EVERY:
                save_curves(self.path / "losses.png", self.history)
                self._curves_drawn = time.monotonic()
            self._save_checkpoint(trainer)
        except OSError as problem:
            raise unwritable(self.path, problem) from None

    def finish(self, trainer):
        """Write what is made once, at the end: the curves, the film and the fixed samples; the folder is let go."""
        try:
            self.save_weights(trainer)
            if self.history:
                save_curves(self.path / "losses.png", self.history)
                save_gif(self.path / "progress.gif", [grid(frame / 255) for frame in self.frames])
                with atomic_write(self.path / "fixed_samples.npz") as file:
                    inputs, epochs = trainer.ops.to_host(trainer.fixed_inputs), gif_epochs(len(self.history))
                    np.savez_compressed(file, noise=inputs, epochs=epochs, images=np.stack(self.frames))
        except OSError as problem:
            raise unwritable(self.path, problem) from None
        finally:
            self._lock.release()

    def save_weights(self, trainer, name="weights.npz"):
        """Write both networks, G as it is to be drawn with, and what a reader needs for that."""
        recipe = trainer.recipe
        info = {
            "recipe": recipe.name,
            "latent": {"size": recipe.latent.size, "distribution": recipe.latent.distribution},
            "classes": recipe.classes,
            "shares": trainer.sampler.class_prior,
            "image_range": recipe.image_range,
            "training": {**self.config, "steps_done": trainer.step_count},
        }
        save_weights(self.path / name, {"G": trainer.generator_ema, "D": trainer.discriminator}, info)

    def _save_checkpoint(self, trainer):
        arrays, rest = trainer.state_dict()
        frames = np.stack(self.frames) if self.frames else np.empty((0, len(trainer.fixed_inputs), 28, 28), np.uint8)
        best = None if self.best == float("inf") else self.best
        held = checkpoints.Checkpoint(self.config, self._data_dir, arrays, rest, frames, trainer.cluster_ids, self.history, best)
        checkpoints.write_checkpoint(self.path / checkpoints.NAME, held)
        self._saved = time.monotonic()

    def _write_config(self):
        try:
            with atomic_write(self.path / "config.json") as file:
                file.write((json.dumps(self.config, indent=2) + "\n").encode())
        except OSError as problem:
            raise unwritable(self.path, problem) from None
