"""What FID is measured with: for images other than digits, a classifier that is trained first."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from gan.classifier.stored import CACHE, StoredClassifier
from gan.commands.shared.signals import Stopper, on_signals
from gan.data.datasets import load
from gan.data.images.split import Split
from gan.data.locations import data_root
from gan.data.sources import DIGIT_DATASETS
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.evaluation.fid_callback import FIDCallback
from gan.evaluation.image_evaluator import ImageEvaluator, half_of, image_evaluator
from gan.runs.starting.dataset_split import dataset_split
from gan.runs.starting.training_data import TrainingData
from nn.ops.base import Ops

CONVINCING = 0.5  # of the errors of guessing: a classifier that avoids fewer is too weak to trust

Say = Callable[..., object]


class Stopped(Exception):
    """A signal stopped the training of the classifier, which is saved.

    Parameters
    ----------
    status
        The exit status of the command.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def stored_classifier(
    split: Split, ops: Ops, data_dir: str | None, quiet: bool, say: Say
) -> StoredClassifier:
    """The classifier of a split's images, trained now if no earlier command has.

    Raises
    ------
    Stopped
        If a signal stops training. The next call continues it.
    """
    half_of(len(split.held_out))  # raises here, not after the training
    stored = StoredClassifier(data_root(data_dir) / CACHE, split)
    if stored.is_trained:
        return stored
    what = f"{stored.n_classes} {'classes' if stored.has_classes else 'clusters'}"
    say(f"training a classifier of the images, on their {what}; this is done once")
    stopper, trainer = Stopper(), stored.trainer(ops)
    with (
        on_signals(stopper.stopping(trainer.stop)),
        tqdm(
            desc="classifier",
            total=trainer.total_steps,
            initial=trainer.step_count,
            unit="step",
            disable=quiet,
            leave=False,
        ) as bar,
    ):
        while not trainer.finished:
            trainer.epoch(lambda step, loss: bar.update(step - bar.n))
            stored.save(trainer)
    if stopper.caught:
        say(f"stopped; the next call continues the classifier, which is in {stored.path}")
        raise Stopped(stopper.status)
    return stored


def fid_callback(
    args: Namespace, config: Mapping[str, Any], data: TrainingData, ops: Ops, say: Say
) -> FIDCallback:
    """What `byhand train --evaluate-every` measures FID with.

    Raises
    ------
    Stopped
        If a signal stops the training of the classifier of images other than digits.
    RunError
        For Stacked MNIST.
    """
    every, n = config["evaluate_every"], data.n_held_out
    if data.digits is not None:
        say(f"FID is measured on {n:,} digits more, which are held out")
        return FIDCallback(data.digits, every, ops)
    if config["dataset"] in DIGIT_DATASETS:
        test_images, _ = load(
            config["dataset"], "test", data_dir=data.data_dir, flat=False, quiet=args.quiet
        )
        return FIDCallback(test_images, every, ops)
    if config["dataset"] == STACKED:
        raise RunError(
            f"--evaluate-every: expected images that have a FID, got {STACKED}, whose modes are "
            "counted; do without it, and run `byhand evaluate` after training"
        )
    split = data.split
    if config["dataset"] and not n:
        split = dataset_split(config["dataset"], data.data_dir, args.quiet)
    assert split
    stored = stored_classifier(split, ops, args.data_dir, args.quiet, say)
    evaluator = image_evaluator(stored, split, ops)
    describe_classifier(evaluator, stored, say)
    floor = evaluator.floor(evaluator.count, False)["fid"]
    say(
        f"FID is measured on {evaluator.count:,} samples, against as many images held out; "
        f"{evaluator.count:,} others reach {floor:.3f}"
    )
    return FIDCallback(evaluator, every, ops)


def is_convincing(evaluator: ImageEvaluator) -> bool:
    """Whether the classifier avoids at least half of the errors of guessing."""
    return evaluator.accuracy - evaluator.guessing >= CONVINCING * (1 - evaluator.guessing)


def describe_classifier(evaluator: ImageEvaluator, stored: StoredClassifier, say: Say) -> None:
    """Print how good the classifier is, and whether it is to be trusted."""
    kind = "class" if stored.has_classes else "k-means cluster"
    say(
        f"classifier: names the {kind} of {100 * evaluator.accuracy:.1f}% of the "
        f"{evaluator.n_held_out:,} images held out; guessing would {100 * evaluator.guessing:.1f}%"
    )
    if not is_convincing(evaluator):
        remedy = "more images" if stored.has_classes else "more images, or labels"
        say(
            "this classifier is too weak to trust: it avoids less than half of the errors of "
            f"guessing; compare its figures with the floor alone, and give {remedy}"
        )
