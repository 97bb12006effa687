"""Early stopping: a run ends once FID no longer improves."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from gan.errors import RunError
from gan.evaluation.fid_callback import FIDCallback
from gan.training.callback import Callback
from gan.training.trainer import Trainer


class EarlyStopping(Callback):
    """Stops training after `patience` measurements of FID in a row without a new minimum.

    The images that FID is measured against should be held out of the training images, as by
    `hold_out`, and not be test images: the run that stops at their best FID is fitted to them.

    Parameters
    ----------
    fid
        What measures FID. It stands before this callback in the trainer's list.
    patience
        Measurements without a new minimum after which training stops, at least 1.
    before
        The FIDs of a resumed run so far, in order.

    Attributes
    ----------
    best : float
        The lowest FID so far; infinity before the first measurement.
    waited : int
        Measurements since that one.
    """

    def __init__(self, fid: FIDCallback, patience: int, before: Iterable[float] = ()) -> None:
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise RunError(f"patience: expected an integer of at least 1, got {patience!r}")
        self._fid, self.patience = fid, patience
        self.best, self.waited = inf, 0
        for value in before:
            self._add(value)

    @property
    def is_over(self) -> bool:
        """Whether FID has not improved for `patience` measurements."""
        return self.waited >= self.patience

    def on_start(self, trainer: Trainer) -> None:
        if self.is_over:  # a resumed run that stopped early does so again, unless more patient
            trainer.stop()

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self._fid.latest is not None:
            self._add(self._fid.latest)
            if self.is_over:
                trainer.stop()

    def _add(self, value: float) -> None:
        """Take a measurement into account."""
        if value < self.best:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
