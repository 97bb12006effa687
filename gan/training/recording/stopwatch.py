"""Measures how long a run has trained."""

from __future__ import annotations

import time


class Stopwatch:
    """Counts the seconds of a run in all, and of training in its current epoch and record.

    Attributes
    ----------
    total : seconds in every `fit` that has ended
    epoch, record : seconds of steps in the current epoch, and since the last record, up to the last
        `lap`
    """

    def __init__(self) -> None:
        self.total = self.epoch = self.record = 0.0
        self._began: float | None = None
        self._lap_began = 0.0

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

    def resume(self) -> None:
        """Begin a lap; the time since the last `lap` was not training."""
        self._lap_began = time.monotonic()

    def lap(self) -> None:
        """Add the seconds since `resume` or the last `lap` to the epoch and the record."""
        now = time.monotonic()
        self.epoch += now - self._lap_began
        self.record += now - self._lap_began
        self._lap_began = now

    def begin_epoch(self) -> None:
        self.epoch = 0.0

    def begin_record(self) -> None:
        self.record = 0.0
