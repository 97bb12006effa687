"""FID of a run when a page asks for it, measured beside the training."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

from gan.data.datasets import load
from gan.data.sources import DIGIT_DATASETS
from gan.errors import RunError
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.fid_callback import SAMPLES, SEED
from gan.sampling import Sampler
from gan.training.trainer import Trainer
from nn import ByhandError
from nn.ops.base import Ops


class FIDOnRequest:
    """Measures FID of a copy of the generator, in a thread of its own.

    Parameters
    ----------
    ops
        The backend.
    announce
        Called when `result` has changed.

    Attributes
    ----------
    result
        The latest figure, or what is going on, for a page.
    """

    def __init__(self, ops: Ops, announce: Callable[[], object]) -> None:
        self._ops, self._announce = ops, announce
        self._dataset: str | None = None
        self._thread: threading.Thread | None = None
        self._evaluator: tuple[str, Evaluator] | None = None
        self.result = ""

    def forget(self) -> None:
        """Another run begins."""
        self.result, self._dataset = "", None

    def ask(self, dataset: str | None) -> None:
        """Measure at the next `look`.

        Raises
        ------
        RunError
            If the data are no digits, or it is being measured.
        """
        if dataset not in DIGIT_DATASETS:
            got = dataset or "other data"
            raise RunError(f"FID: expected a dataset of digits, which it needs, got {got}")
        if self._thread and self._thread.is_alive():
            raise RunError("FID: expected one measurement at a time; wait for the one going on")
        self._dataset, self.result = dataset, "measuring FID"
        self._announce()

    def look(self, trainer: Trainer) -> None:
        """Begin if a page has asked for it; the trainer's arrays may be read now."""
        if self._dataset is None:
            return
        sampler, dataset = copy.deepcopy(trainer.sampler), self._dataset
        self._dataset = None
        self._thread = threading.Thread(
            target=self._measure, args=(sampler, dataset, trainer.step_count), daemon=True
        )
        self._thread.start()

    def _measure(self, sampler: Sampler, dataset: str, step: int) -> None:
        """Measure, and announce the result."""
        try:
            if self._evaluator is None or self._evaluator[0] != dataset:
                test_images, _ = load(dataset, "test", flat=False, quiet=True)
                self._evaluator = dataset, Evaluator(test_images, self._ops)
            fid = self._evaluator[1].fid(sampler.images(sampler.inputs(SAMPLES, SEED)))
            self.result = f"FID {fid:.3f} at step {step:,}"
        except ByhandError as problem:
            self.result = f"FID: {problem}"
        self._announce()
