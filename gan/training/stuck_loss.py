"""A warning that a network has stopped learning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from gan.errors import CollapseWarning
from gan.training.callback import Callback

if TYPE_CHECKING:
    from gan.training.trainer import Trainer

PINNED = 1e-3  # standard deviation over an epoch below which a loss has not moved
MIN_STEPS = 20  # fewer steps an epoch are too few to tell
NETWORKS = {"d_loss": "discriminator", "g_loss": "generator"}
ADVICE = "try another seed or a lower learning rate"
FIT_CALLER = 5  # stack frames from `warn` to the call of `fit`


class StuckLossCallback(Callback):
    """Warns when a loss hardly moves in an epoch; every `Trainer` has one.

    A discriminator that scores all images alike has such a loss, as has a network whose gradient is
    zero. The `CollapseWarning` of a network is not repeated while its loss is stuck.
    """

    def __init__(self) -> None:
        self._stuck: set[str] = set()  # losses, in the last epoch

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        spread, per_epoch = trainer.spread, trainer.steps_per_epoch
        if spread is None or per_epoch < MIN_STEPS or trainer.step_count % per_epoch:
            return
        stuck = {loss for loss in NETWORKS if spread[loss] < PINNED}
        for loss in sorted(stuck - self._stuck):
            warn(record, f"the {NETWORKS[loss]}'s loss is stuck at {record[loss]:.4f}; {ADVICE}")
        self._stuck = stuck


def warn(record: dict[str, Any], text: str) -> None:
    """Issue a `CollapseWarning` from a callback's `on_epoch`, at the line that called `fit`."""
    warnings.warn(f"epoch {record['epoch']}: {text}", CollapseWarning, stacklevel=FIT_CALLER)
