"""FID during training."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from gan.evaluation.evaluator import Evaluator
from gan.evaluation.image_evaluator import ImageEvaluator
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn.ops.base import Ops

SAMPLES = 10_000  # images drawn for each measurement
# From docs/how_good.md: 10,000 images by the best recipe, and 10,000 real training images.
BEST_RECIPE, BEST_FID, FLOOR_FID = "conv-classes-hour", 0.188, 0.137
SEED = 1_000  # not that of `byhand evaluate`, 0, which evaluates what is chosen here


class FIDCallback(Callback):
    """Measures FID every few epochs and at the end, with the same noise each time.

    `latest` is the FID after the latest epoch, or None if that epoch was not measured. Callbacks
    that use it stand after this one in the trainer's list.

    Parameters
    ----------
    test_images
        What `Evaluator` takes: test images, or images that `hold_out` split off. For images other
        than digits, an `ImageEvaluator`.
    every
        Epochs from one measurement to the next.
    device
        Where the features are computed; an `ImageEvaluator` has a place of its own.
    samples
        Images drawn for each measurement; by default SAMPLES, or as many as an `ImageEvaluator`
        compares with.
    """

    def __init__(
        self,
        test_images: ArrayLike | ImageEvaluator,
        every: int,
        device: str | Ops = "cpu",
        samples: int | None = None,
    ) -> None:
        self._every = every
        self._evaluator: Evaluator | ImageEvaluator
        if isinstance(test_images, ImageEvaluator):
            self._evaluator, most = test_images, test_images.count
        else:
            self._evaluator, most = Evaluator(test_images, device), SAMPLES
        self._samples = most if samples is None else samples
        self.latest: float | None = None

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self(trainer, record["epoch"])

    def __call__(self, trainer: Trainer, epoch: int) -> float | None:
        """The FID after that epoch; None if none is due, or if a signal interrupted the epoch."""
        is_whole = trainer.step_count % trainer.steps_per_epoch == 0
        is_due = trainer.ended or (is_whole and epoch % self._every == 0)
        self.latest = self.measure(trainer) if is_due else None
        return self.latest

    def measure(self, trainer: Trainer) -> float:
        """The FID of the images that the trainer's generator draws now."""
        inputs = trainer.sampler.inputs(self._samples, SEED)
        return self._evaluator.fid(trainer.sampler.images(inputs))


def in_context(fid: float) -> str:
    """A line with a FID beside those of the best recipe and of real digits."""
    return (
        f"FID {fid:.3f}, lower is better: the best recipe, {BEST_RECIPE}, reaches {BEST_FID}, "
        f"real digits {FLOOR_FID}"
    )
