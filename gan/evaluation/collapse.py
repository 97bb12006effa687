"""A warning that a network has stopped learning, or that the generator draws one digit only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gan.classifier.network import probabilities
from gan.evaluation.class_metrics import class_histogram, digits_drawn
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.training.callback import Callback
from gan.training.trainer import Trainer

PINNED = 1e-3  # standard deviation over an epoch below which a loss has not moved
LEAST_STEPS = 20  # fewer steps an epoch are too few to tell
NETWORKS = {"d_loss": "discriminator", "g_loss": "generator"}
LOOKED_AT = 16  # images
STEPS_A_LOOK = 1_000  # the first images may all look like one digit, and a look costs some steps
LOOKS = 2  # consecutive looks at one digit that make a warning
ADVICE = "try another --seed or a lower --learning-rate"


class CollapseWarning(Callback):
    """Warns that a loss did not move in an epoch, or that the generator draws one digit only.

    Each warning is given when its cause appears, and not repeated while it lasts.

    Parameters
    ----------
    say
        Called as say(line) with a warning.
    count
        A function of images that counts the different digits, such as `digit_counter()`; None if
        the images are not digits.
    """

    def __init__(
        self, say: Callable[[str], object], count: Callable[[np.ndarray], int] | None = None
    ) -> None:
        self._say, self._count = say, count
        self._active: set[str] = set()  # causes at the end of the last epoch
        self._next_look, self._looks_at_one_digit = STEPS_A_LOOK, 0

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if trainer.step_count % trainer.steps_per_epoch:
            return
        warnings = self._pinned_losses(trainer, record)
        if self._count and trainer.step_count >= self._next_look:
            self._next_look = trainer.step_count + STEPS_A_LOOK
            one_digit = self._count(trainer.fixed_samples()[:LOOKED_AT]) <= 1
            self._looks_at_one_digit = self._looks_at_one_digit + 1 if one_digit else 0
        if self._looks_at_one_digit >= LOOKS:
            warnings["digits"] = f"the generator draws one digit only; if that lasts, {ADVICE}"
        for cause, warning in warnings.items():
            if cause not in self._active:
                self._say(f"warning: epoch {record['epoch']}: {warning}")
        self._active = set(warnings)

    def _pinned_losses(self, trainer: Trainer, record: dict[str, Any]) -> dict[str, str]:
        """A warning for each network whose loss did not move in the epoch."""
        spread = trainer.spread
        if spread is None or trainer.steps_per_epoch < LEAST_STEPS:
            return {}
        return {
            network: f"the {network}'s loss is stuck at {record[loss]:.4f}; {ADVICE}"
            for loss, network in NETWORKS.items()
            if spread[loss] < PINNED
        }


def digit_counter() -> Callable[[np.ndarray], int]:
    """Return a function that counts the different digits in images, as the classifier sees them.

    It takes floats in [0, 1] on the host, (N, 28, 28), (N, 1, 28, 28) or (N, 784).
    """
    network = load_feature_extractor("numpy")  # faster than compiling kernels for a few images

    def count(images: np.ndarray) -> int:
        grey = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
        return digits_drawn(class_histogram(probabilities(network, grey.reshape(-1, 1, 28, 28))))

    return count
