"""Evaluating images of any kind, on the features of a classifier of the same data."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.evaluating.image_evaluation import (
    describe_classifier,
    is_convincing,
    stored_classifier,
)
from gan.commands.shared.progress import TIME_FORMAT
from gan.data.image_shapes import ImageShape
from gan.data.images.split import Split
from gan.errors import RunError
from gan.evaluation.image_evaluator import FEWEST, ImageEvaluator, image_evaluator
from gan.evaluation.samples import as_pixels, read_pixels
from gan.runs.starting.own_images import own_images
from gan.sampling import AT_ONCE, Sampler
from nn.ops.base import Ops

ROWS = (  # of the table: key, label, format, which direction is better
    ("fid", "FID, on the classifier's features", "{:.3f}", "lower"),
    ("precision", "precision", "{:.4f}", "higher, at most 1"),
    ("recall", "recall", "{:.4f}", "higher, at most 1"),
    ("recognised", "recognised as the class asked for", "{:.4f}", "higher, at most 1"),
)

Progress = Callable[[int], object]


@dataclass
class Samples:
    """Images to evaluate: uint8 (N, C, H, W), and the classes they were to show, or None."""

    images: np.ndarray
    labels: np.ndarray | None = None


def evaluate_images(
    args: Namespace,
    sampler: Sampler | None,
    split: Split,
    ops: Ops,
    say: Callable[..., object],
) -> tuple[dict[str, Any], np.ndarray]:
    """Measure samples against the images held out, and print the table.

    Parameters
    ----------
    args
        Of `byhand evaluate`.
    sampler
        Draws the samples; None reads those of a file.
    split
        The data.
    ops
        Where to compute.
    say
        Prints a line.

    Returns
    -------
    report : dict
        The figures.
    samples : ndarray
        What was measured: uint8 (N, C, H, W).

    Raises
    ------
    Stopped
        If a signal stops the training of the classifier.
    """
    if sampler is not None:
        check_shape(sampler, split.whole.image_shape)
    given = None if sampler else samples_in(args, split.whole.image_shape)
    stored = stored_classifier(split, ops, args.data_dir, args.quiet, say)
    n = len(split.held_out)
    with tqdm(
        total=n + 2 * (n // 2), bar_format=TIME_FORMAT, disable=args.quiet, leave=False
    ) as bar:
        evaluator = image_evaluator(stored, split, ops, bar.update)
        if sampler:
            samples = drawn(sampler, evaluator, split, args.seed, bar.update)
        else:
            assert given is not None
            samples = Samples(at_most(given, evaluator.count, args.seed))
        has_labels = samples.labels is not None
        metrics = evaluator.evaluate(samples.images, samples.labels, bar.update)
        floor = evaluator.floor(len(samples.images), has_labels)
    describe_classifier(evaluator, stored, say)
    say(
        f"{args.weights or args.samples}: {len(samples.images):,} images against "
        f"{evaluator.count:,} held out of training; floor: as many others held out"
    )
    say(table(metrics, floor))
    report = {
        "images": len(samples.images),
        "train_images": len(split),
        "held_out_images": n,
        "reference_images": evaluator.count,
        "data": split.whole.digest,
        "classifier": {
            "file": str(stored.path),
            "trained_on": "classes" if stored.has_classes else "clusters",
            "classes": stored.n_classes,
            "accuracy": evaluator.accuracy,
            "accuracy_of_guessing": evaluator.guessing,
            "is_convincing": is_convincing(evaluator),
        },
        "metrics": metrics,
        "floor": floor,
    }
    return report, samples.images


def check_shape(sampler: Sampler, image_shape: ImageShape) -> None:
    """Raise `DataError` unless the generator's images have the shape of the data."""
    channels, height, width = sampler.image_shape or image_shape
    as_pixels(np.zeros((1, channels, height, width), np.uint8), image_shape)


def drawn(
    sampler: Sampler, evaluator: ImageEvaluator, split: Split, seed: int, progress: Progress
) -> Samples:
    """As many samples as the floor has images, of the same classes if the generator knows them."""
    knows_them = bool(sampler.classes) and sampler.class_names == split.class_names
    labels = evaluator.floor_labels if knows_them else None
    inputs, parts = sampler.inputs(evaluator.count, seed, labels), []
    for i in range(0, evaluator.count, AT_ONCE):
        images = sampler.images(inputs[i : i + AT_ONCE])
        parts.append(as_pixels(images, evaluator.image_shape))
        progress(len(images))
    return Samples(np.concatenate(parts), labels)


def samples_in(args: Namespace, image_shape: ImageShape) -> np.ndarray:
    """The images of --samples: a file, or a folder of image files."""
    channels, height, width = image_shape
    if Path(args.samples).is_dir():
        how = {"size": height if height == width else None, "channels": channels}
        images = own_images(args.samples, how, args.data_dir, args.quiet).images
    else:
        images = read_pixels(args.samples, image_shape)
    if len(images) < FEWEST:
        raise RunError(
            f"{args.samples}: expected at least {FEWEST} images, got {len(images)}; give more"
        )
    return as_pixels(images, image_shape)


def at_most(images: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The images, or a random part of them if there are more than `count`."""
    if len(images) <= count:
        return images
    return images[np.random.default_rng(seed).choice(len(images), count, replace=False)]


def table(metrics: dict[str, Any], floor: dict[str, Any]) -> str:
    """Metrics and floor side by side, as lines of text."""
    rows = [("metric", "images", "floor", "better")]
    rows += [
        (label, form.format(metrics[key]), form.format(floor[key]), better)
        for key, label, form, better in ROWS
        if key in metrics
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows
    )
