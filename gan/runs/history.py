"""The history of a run: a row per record, written as history.csv and as curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gan.folders import unwritable, write_history
from gan.images import save_curves
from gan.training.callback import Callback
from gan.training.trainer import Trainer

CURVES_EVERY = 15  # seconds, since drawing them takes half a second

Measure = Callable[[Trainer, int], float | None]


class History(Callback):
    """Collects a row per record: the trainer's record, and the FID if it was measured.

    Parameters
    ----------
    rows
        The rows of a resumed run.
    fid
        Called as fid(trainer, epoch) after each epoch, which then ends with a record. It returns
        the FID, or None if none is due.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), fid: Measure | None = None) -> None:
        column = {"fid": None} if fid else {}  # for rows from before FID was measured
        self.rows = [{**row, **column, **row} for row in rows]
        self._fid, self.record_epochs = fid, fid is not None

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        while self.rows and self.rows[-1]["step"] > trainer.records.start:  # continued by this one
            self.rows.pop()
        self.rows.append(record | ({"fid": None} if self._fid else {}))

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self._fid:
            self.rows[-1]["fid"] = self._fid(trainer, record["epoch"])


class CurvesCallback(Callback):
    """Writes history.csv after each record, and losses.png at most every CURVES_EVERY seconds.

    The first losses.png is drawn after an epoch at the latest.
    """

    def __init__(self, folder: Path, history: History) -> None:
        self._folder, self._history = folder, history
        self._drawn_at, self._drawn = time.monotonic(), False

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._write(time.monotonic() - self._drawn_at > CURVES_EVERY)

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._write(not self._drawn)

    def _write(self, draws: bool) -> None:
        """Write history.csv and, if asked, losses.png."""
        if not self._history.rows:  # resumed within an epoch, by a version without records
            return
        try:
            write_history(self._folder, self._history.rows)
            if draws:
                self.finish()
        except OSError as problem:
            raise unwritable(self._folder, problem) from None

    def finish(self) -> None:
        """Draw the curves."""
        if self._history.rows:
            save_curves(self._folder / "losses.png", self._history.rows)
            self._drawn_at, self._drawn = time.monotonic(), True
