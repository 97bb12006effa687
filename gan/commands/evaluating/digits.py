"""Evaluating digits, on the features of the classifier that comes with the package."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.shared.progress import TIME_FORMAT
from gan.data.datasets import load
from gan.evaluation import Evaluator, evaluate, n_rows, read_images
from gan.evaluation.feature_extractor import ACCURACY, SHA256
from gan.evaluation.metrics import table
from gan.recipe import DIGITS
from gan.sampling import AT_ONCE, Sampler
from nn.ops.base import Ops

COUNT = 10_000  # images to evaluate: as many as there are test images
DIGIT_CLASSES = 10  # of a generator that is asked for digits
LEAST = 1_000  # far more than the classifier's 128 features, as their covariance requires
N_VALIDATION = 1_000  # training images that choose Parzen's sigma
VALIDATION = 50_000  # the index of the first of them, if there are that many

Progress = Callable[[int], object]
Say = Callable[..., object]


def evaluate_digits(
    args: Namespace, dataset: str, sampler: Sampler | None, ops: Ops, say: Say
) -> tuple[dict[str, Any], np.ndarray]:
    """Measure digits against MNIST's test images: the figures, and the digits as uint8."""
    images: Callable[[Progress], tuple[np.ndarray, np.ndarray | None]]
    if sampler is None:
        given, chosen = samples_in(args.samples, args.seed)
        images, count, n_drawn = (lambda progress: (given, None)), len(given), 0
    else:
        images = partial(samples_of, sampler, args.seed)
        chosen, count, n_drawn = "", COUNT, COUNT
    train, digits = load(dataset, "train", data_dir=args.data_dir, quiet=args.quiet)
    test, _ = load(dataset, "test", data_dir=args.data_dir, quiet=args.quiet)
    has_validation = len(train) > VALIDATION
    validation = train[VALIDATION:][:N_VALIDATION] if has_validation else train[-N_VALIDATION:]
    floor = train[: min(count, len(train) - N_VALIDATION)]
    say(
        f"{args.weights or args.samples}: {count:,} images{chosen} against {len(test):,} test "
        f"images; floor: {len(floor):,} of {len(train):,} training images"
    )
    total = n_drawn + len(test)
    total += sum(n_rows(n, len(validation), len(test)) for n in (count, len(floor)))
    with tqdm(total=total, bar_format=TIME_FORMAT, disable=args.quiet, leave=False) as bar:
        made, asked = images(bar.update)
        evaluator = Evaluator(test, ops, bar.update)
        shown = None if asked is None else digits[: len(floor)]
        ours, real = (
            evaluate(each, evaluator, validation, bar.update, labels)
            for each, labels in ((made, asked), (floor, shown))
        )
    say(table(ours, real))
    report = {
        "images": count,
        "test_images": len(test),
        "train_images": len(train),
        "floor_images": len(floor),
        "validation_images": len(validation),
        "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
        "metrics": ours,
        "floor": real,
    }
    return report, np.rint(255 * made).astype(np.uint8).reshape(-1, *DIGITS)


def samples_in(path: str, seed: int) -> tuple[np.ndarray, str]:
    """At most COUNT images of a file, and a remark if there are more."""
    images = read_images(path, LEAST)
    if len(images) <= COUNT:
        return images, ""
    # At random, since a file may be sorted
    rows = np.random.default_rng(seed).choice(len(images), COUNT, replace=False)
    return images[rows], f", drawn from {len(images):,},"


def samples_of(
    sampler: Sampler, seed: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray | None]:
    """COUNT images of the generator, float32 (COUNT, H, W) in [0, 1], and their classes if any."""
    inputs, parts = sampler.inputs(COUNT, seed), []
    for i in range(0, COUNT, AT_ONCE):
        parts.append(sampler.images(inputs[i : i + AT_ONCE]))
        progress(len(parts[-1]))
    if sampler.classes != DIGIT_CLASSES or sampler.class_names is not None:  # not of digits
        return np.concatenate(parts), None
    rows = sampler.generator.ops.to_host(inputs)[:, sampler.latent.size :]
    return np.concatenate(parts), sampler.condition.classes_of(sampler.condition.numbers(rows))
