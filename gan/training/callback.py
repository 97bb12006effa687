"""Callbacks: objects that `Trainer.fit` calls while it trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gan.errors import RunError

if TYPE_CHECKING:
    from gan.training.trainer import Trainer


class Callback:
    """Called while a trainer trains; override the methods you need.

    A record is a dict with the mean losses and mean outputs of D, `step` (the steps so far),
    `seconds` (of training in this epoch) and `images_per_second`.
    """

    def on_start(self, trainer: Trainer) -> None:
        """Called before the first step of `fit`."""

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Called every LOG_EVERY steps and after an epoch, with the means since the last call."""

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Called after each epoch with its means, and where `fit` ends within an epoch.

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
