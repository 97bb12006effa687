"""Losses, rates, norms, FID and samples as events for TensorBoard."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin
from gan.errors import RunError
from gan.images import as_pictures, grid
from gan.training.callback import Callback

if TYPE_CHECKING:
    from gan.training.trainer import Trainer

TAGS = {  # by the name in a record
    "d_loss": "loss/D",
    "d_loss_real": "loss/D_real",
    "d_loss_fake": "loss/D_fake",
    "penalty": "loss/penalty",
    "g_loss": "loss/G",
    "d_real": "output/D_real",
    "d_fake": "output/D_fake",
    "d_grad_norm": "grad_norm/D",
    "g_grad_norm": "grad_norm/G",
    "images_per_second": "speed/images_per_second",
}


class MeasuresFID(Protocol):
    """A callback that measures FID, such as `FIDCallback`."""

    latest: float | None


class TensorBoardCallback(Callback):
    """Writes the events of a run into a folder that ``tensorboard --logdir FOLDER`` shows.

    The scalars are written when the losses are read, about every 50 steps, the fixed samples with
    each record, and FID after the epoch in which it was measured. A resumed run continues its
    curves. `close` ends the file, and so does the end of a ``with`` statement.

    Parameters
    ----------
    folder
        Where the event files go; one folder a run.
    fid
        What measures FID. It stands before this callback in the trainer's list.

    Raises
    ------
    RunError
        If the package tensorboardX is not installed, or, at the start of training, if the folder
        cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], fid: MeasuresFID | None = None) -> None:
        self._make_writer = summary_writer()
        self._folder, self._fid = os.fspath(folder), fid
        self._writer: Any = None

    def on_start(self, trainer: Trainer) -> None:
        if self._writer is None:
            # Events of later steps are of an attempt that ended without a checkpoint: hide them
            step = trainer.step_count
            try:
                self._writer = self._make_writer(
                    self._folder,
                    purge_step=step + 1 if step else None,
                    filename_suffix=f".{step}",  # names have seconds only; a file is overwritten
                )
            except OSError as problem:
                raise RunError(
                    f"TensorBoard: expected {self._folder} to be a folder for events, which cannot "
                    f"be written ({problem.strerror}); remove what is there, or train without "
                    "TensorBoard"
                ) from None

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        values = {tag: record[name] for name, tag in TAGS.items() if name in record}
        for name, optimizer in trainer.optimizers.items():
            values[f"learning_rate/{name}"] = optimizer.learning_rate
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, record["step"])

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        picture = grid(as_pictures(trainer.fixed_samples(), trainer.image_shape))
        form = "HW" if picture.ndim == 2 else "HWC"
        self._writer.add_image("samples", picture, record["step"], dataformats=form)
        self._writer.flush()

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self._fid is not None and self._fid.latest is not None:
            self._writer.add_scalar("FID", self._fid.latest, record["step"])
            self._writer.flush()

    def close(self) -> None:
        """Write what is left, and close the file; another `fit` begins a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> TensorBoardCallback:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def summary_writer() -> Any:
    """The class that writes event files; `RunError` if its package is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise RunError(
            "TensorBoard: expected the package tensorboardX, which is not installed; install it "
            "with  pip install 'byhand[tensorboard]'"
        ) from None
    return SummaryWriter
