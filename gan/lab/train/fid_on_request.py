"""FID of a run when a page asks for it, measured beside the training."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gan.classifier.stored import CACHE, StoredClassifier
from gan.data.datasets import load
from gan.data.locations import data_root
from gan.data.sources import DIGIT_DATASETS
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.fid_callback import SAMPLES, SEED
from gan.evaluation.image_evaluator import ImageEvaluator, image_evaluator
from gan.lab.train.starting import StartedRun
from gan.runs.starting.dataset_split import dataset_split
from gan.sampling import Sampler
from gan.training.trainer import Trainer
from nn import ByhandError
from nn.ops.base import Ops


@dataclass(frozen=True)
class Measured:
    """What images are measured against.

    Parameters
    ----------
    evaluator
        With the features of the images that are not trained on.
    samples
        Images drawn for a measurement.
    """

    evaluator: Evaluator | ImageEvaluator
    samples: int


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
        self._lock = threading.Lock()
        self._asked: StartedRun | None = None
        self._run = 0  # how many have begun
        self._thread: threading.Thread | None = None
        self._measured: tuple[tuple[str | None, str], Measured] | None = None  # of which data
        self.result = ""

    def forget(self) -> None:
        """Another run begins; what is still being measured is of no interest."""
        with self._lock:
            self._run += 1
            self.result, self._asked = "", None

    def ask(self, started: StartedRun) -> None:
        """Measure at the next `look`.

        Raises
        ------
        RunError
            If the run has no images that have a FID, or it is being measured.
        """
        if started.are_points or started.config["dataset"] == STACKED:
            got = "points of a plane" if started.are_points else f"{STACKED}, whose modes count"
            raise RunError(f"FID: expected images that have one, got {got}; look at the samples")
        if self._asked or (self._thread and self._thread.is_alive()):
            raise RunError("FID: expected one measurement at a time; wait for the one going on")
        self._asked, self.result = started, "measuring FID"
        self._announce()

    def look(self, trainer: Trainer) -> None:
        """Begin if a page has asked for it; the trainer's arrays may be read now."""
        with self._lock:
            started, self._asked, run = self._asked, None, self._run
        if started is None:
            return
        sampler = copy.deepcopy(trainer.sampler)
        self._thread = threading.Thread(
            name="FID",
            target=self._measure,
            args=(started, sampler, trainer.step_count, run),
            daemon=True,
        )
        self._thread.start()

    def _measure(self, started: StartedRun, sampler: Sampler, step: int, run: int) -> None:
        """Measure, and announce the result, unless another run has begun."""
        result = "FID: measuring it failed; the terminal says more"
        try:
            against = self._against(started)
            images = sampler.images(sampler.inputs(against.samples, SEED))
            result = f"FID {against.evaluator.fid(images):.3f} at step {step:,}"
        except (ByhandError, OSError, MemoryError) as problem:
            result = f"FID: {problem or type(problem).__name__}"
        finally:
            with self._lock:
                if run == self._run:
                    self.result = result
            self._announce()

    def _against(self, started: StartedRun) -> Measured:
        """What the run's images are measured against; that of the latest data is kept."""
        data = started.config["dataset"], started.prepared.data.digest
        if self._measured is None or self._measured[0] != data:
            self._measured = None  # its memory is needed
            self._measured = data, measured_against(started, self._ops)
        return self._measured[1]


def measured_against(started: StartedRun, ops: Ops) -> Measured:
    """What `byhand evaluate` measures the images of a run against.

    Parameters
    ----------
    started
        The run. Images other than digits need a classifier of their own, which takes minutes to
        train, so that a command must have done it.
    ops
        The backend.

    Raises
    ------
    RunError, DataError
        If there is no such classifier, or there are too few images that are not trained on.
    """
    dataset, data = started.config["dataset"], started.prepared.data
    if data.digits is not None:
        return Measured(Evaluator(data.digits, ops), SAMPLES)
    if dataset in DIGIT_DATASETS:
        test_images, _ = load(dataset, "test", data_dir=data.data_dir, flat=False, quiet=True)
        return Measured(Evaluator(test_images, ops), SAMPLES)
    split = data.split
    if dataset and not data.n_held_out:
        split = dataset_split(dataset, data.data_dir, True)
    assert split is not None
    stored = StoredClassifier(data_root() / CACHE, split)
    if not stored.is_trained:
        weights = started.run.path / "weights.npz"
        raise RunError(
            "expected a trained classifier of these images, got none; pause the run, and "
            f"byhand evaluate --weights {weights} trains it, once for these images"
        )
    evaluator = image_evaluator(stored, split, ops)
    return Measured(evaluator, evaluator.count)
