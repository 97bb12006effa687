"""The records of a run: its step, epoch, mean losses and speed."""

from __future__ import annotations

from typing import Any

from gan.training.recording.loss_log import LossLog
from gan.training.recording.stopwatch import Stopwatch
from gan.uncopyable import Uncopyable


class Records(Uncopyable):
    """Makes records from a log and a stopwatch; see `Callback` for what they hold.

    Parameters
    ----------
    log, stopwatch : the trainer's
    batch_size, steps_per_epoch : images per step, and steps per epoch

    Attributes
    ----------
    start : the step after which the latest of `since_last` begins
    """

    def __init__(
        self, log: LossLog, stopwatch: Stopwatch, *, batch_size: int, steps_per_epoch: int
    ) -> None:
        self._log, self._stopwatch = log, stopwatch
        self._batch_size, self._steps_per_epoch = batch_size, steps_per_epoch
        self.start = 0

    def of_log(self, step: int, means: dict[str, float]) -> dict[str, Any]:
        """The record of a read of the log, with these means and the speed of the epoch so far."""
        return {**self._epoch_progress(step), **means}

    def of_epoch(self, step: int) -> dict[str, Any]:
        """The record of the current epoch."""
        return {
            "epoch": self._epoch(step),
            **self._epoch_progress(step),
            **self._log.epoch.means(),
        }

    def since_last(self, step: int, is_final: bool) -> dict[str, Any]:
        """The record of the steps since the last final one."""
        means, seconds = self._log.record, self._stopwatch.record
        self.start = step - means.steps
        progress = self._progress(step, means.steps, seconds)
        record = {"epoch": self._epoch(step), **progress, **means.means()}
        if is_final:
            means.clear()
            self._stopwatch.begin_record()
        return record

    def _epoch(self, step: int) -> int:
        """The number of this step's epoch, from 1."""
        return (step - 1) // self._steps_per_epoch + 1

    def _epoch_progress(self, step: int) -> dict[str, Any]:
        """Step, seconds and speed of the current epoch."""
        n_steps = (step - 1) % self._steps_per_epoch + 1
        return self._progress(step, n_steps, self._stopwatch.epoch)

    def _progress(self, step: int, n_steps: int, seconds: float) -> dict[str, Any]:
        """Step, seconds and speed, from the seconds of the last `n_steps`."""
        speed = n_steps * self._batch_size / max(seconds, 1e-9)
        return {"step": step, "seconds": seconds, "images_per_second": speed}
