"""Measures how long a run has trained."""

from __future__ import annotations

import time


class Stopwatch:
    """Counts the seconds of a run in all, and of training in its current epoch.

    Attributes
    ----------
    total : seconds in every `fit` that has ended
    epoch : seconds of steps in the current epoch, up to the last `lap`
    """

    def __init__(self) -> None:
        self.total = self.epoch = 0.0
        self._began: float | None = None
        self._epoch_began = 0.0

    @property
    def is_running(self) -> bool:
        return self._began is not None

    @property
    def seconds(self) -> float:
        """The total, including the seconds since `start`."""
        return self.total + (0.0 if self._began is None else time.monotonic() - self._began)

    def start(self) -> None:
        self._began = time.monotonic()

    def stop(self) -> None:
        self.total, self._began = self.seconds, None

    def begin_epoch(self) -> None:
        self.epoch = 0.0

    def resume_epoch(self) -> None:
        """Continue from the last `lap`; the time since then was not training."""
        self._epoch_began = time.monotonic() - self.epoch

    def lap(self) -> float:
        """The seconds of this epoch up to now."""
        self.epoch = time.monotonic() - self._epoch_began
        return self.epoch
