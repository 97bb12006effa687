"""A warning that the generator draws one digit only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gan.classifier.network import probabilities
from gan.evaluation.class_metrics import class_histogram, digits_drawn
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.training.callback import Callback
from gan.training.stuck_loss import ADVICE, warn
from gan.training.trainer import Trainer

LOOKED_AT = 16  # images
STEPS_A_LOOK = 1_000  # the first images may all look like one digit, and a look costs some steps
LOOKS = 2  # consecutive looks at one digit that make a warning


class CollapseCallback(Callback):
    """Warns when the generator draws one digit only, twice in a row and 1,000 steps apart.

    The `CollapseWarning` is not repeated while that lasts.

    Parameters
    ----------
    count
        A function of images that counts the different digits; `digit_counter()` by default.
    """

    def __init__(self, count: Callable[[np.ndarray], int] | None = None) -> None:
        self._count = count or digit_counter()
        self._next_look, self._looks_at_one_digit = STEPS_A_LOOK, 0

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if trainer.step_count % trainer.steps_per_epoch or trainer.step_count < self._next_look:
            return
        self._next_look = trainer.step_count + STEPS_A_LOOK
        one_digit = self._count(trainer.fixed_samples()[:LOOKED_AT]) <= 1
        self._looks_at_one_digit = self._looks_at_one_digit + 1 if one_digit else 0
        if self._looks_at_one_digit == LOOKS:
            warn(record, f"the generator draws one digit only; if that lasts, {ADVICE}")


def digit_counter() -> Callable[[np.ndarray], int]:
    """Return a function that counts the different digits in images, as the classifier sees them.

    It takes floats in [0, 1] on the host, (N, 28, 28), (N, 1, 28, 28) or (N, 784).
    """
    network = load_feature_extractor("numpy")  # faster than compiling kernels for a few images

    def count(images: np.ndarray) -> int:
        grey = np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
        return digits_drawn(class_histogram(probabilities(network, grey.reshape(-1, 1, 28, 28))))

    return count
