"""Callbacks: objects that `Trainer.fit` calls while it trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gan.errors import RunError

if TYPE_CHECKING:
    from gan.training.trainer import Trainer


class Callback:
    """Called while a trainer trains; override the methods you need.

    A record is a dict with `step` (the steps so far), the mean losses, the mean outputs of D,
    `seconds` of training and `images_per_second`. With a recipe's `clip_norm` or `clip_value`,
    it also has `d_grad_norm` and `g_grad_norm`, the means of `Optimizer.grad_norm`.

    If several methods are due after a step, they are called in the order they have here.

    Attributes
    ----------
    record_epochs : whether a record is made at the end of each epoch too
    """

    record_epochs = False

    def on_start(self, trainer: Trainer) -> None:
        """Called before the first step of `fit`."""

    def on_step(self, trainer: Trainer) -> None:
        """Called after each step, if it is overridden; it must be quick."""

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Called at least every LOG_EVERY steps, with the mean losses since the last call.

        `seconds` and `images_per_second` are those of the epoch so far.
        """

    def on_record(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Called after steps 1, 2, 4, 8, ..., then evenly, about 60 times a run, and at its end.

        The record holds `epoch`, counted from 1, and the means since the last record; see
        `RecordSchedule`. After `Trainer.stop`, the record may be before its time: the next `fit`
        then continues it. A record replaces all that came after step `trainer.records.start`.
        """

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Called after each epoch with its `epoch` and its means, and where `fit` ends within one.

        The next `fit` continues that epoch and calls this again at its end.
        """


def check_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    """The callbacks as a list; `RunError` for anything else."""
    expected = "callbacks: expected a list of Callback objects"
    if isinstance(callbacks, Callback):
        raise RunError(f"{expected}, got one, {callbacks!r}; put it into a list")
    try:
        checked = list(callbacks)
    except TypeError:
        raise RunError(f"{expected}, got {callbacks!r}") from None
    for callback in checked:
        if not isinstance(callback, Callback):
            raise RunError(f"{expected}, got {callback!r} in it")
    return checked
