"""The history of a run: a row per epoch, written as history.csv and as curves."""

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
    """Collects a row per epoch: the trainer's record, and the FID if it was measured.

    Parameters
    ----------
    rows
        The rows of a resumed run.
    fid
        Called as fid(trainer, epoch) after each epoch. It returns the FID, or None if none is due.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), fid: Measure | None = None) -> None:
        column = {"fid": None} if fid else {}  # for rows from before FID was measured
        self.rows = [{**row, **column, **row} for row in rows]
        self._fid = fid

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        row = dict(record)
        if self._fid:
            row["fid"] = self._fid(trainer, record["epoch"])
        if self.rows and self.rows[-1]["epoch"] == row["epoch"]:  # interrupted, and now complete
            self.rows.pop()
        self.rows.append(row)


class CurvesCallback(Callback):
    """Writes history.csv after each epoch, and losses.png at most every CURVES_EVERY seconds."""

    def __init__(self, folder: Path, history: History) -> None:
        self._folder, self._history = folder, history
        self._drawn = time.monotonic()

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        rows = self._history.rows
        try:
            write_history(self._folder, rows)
            if len(rows) == 1 or time.monotonic() - self._drawn > CURVES_EVERY:
                self.finish()
                self._drawn = time.monotonic()
        except OSError as problem:
            raise unwritable(self._folder, problem) from None

    def finish(self) -> None:
        """Draw the curves."""
        if self._history.rows:
            save_curves(self._folder / "losses.png", self._history.rows)
