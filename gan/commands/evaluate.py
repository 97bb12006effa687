"""Measure generated digits against MNIST's test images: those of a trained generator or of a file.

It prints a table and writes metrics.json. Beside each figure is its floor: the same figure of real
training images. The file of samples contains one array, or one named images: (N, 28, 28),
(N, 1, 28, 28) or (N, 784), floats in [0, 1] or uint8, with a background of 0.

For example:

    byhand evaluate --weights runs/NAME/weights.npz
    byhand evaluate --weights runs/NAME/best.npz --seed 1 --out best.json
    byhand evaluate --samples images.npz
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan.commands.shared.command_line import Parser
from gan.commands.shared.options import add_data, add_device, add_out, add_quiet, add_seed
from gan.commands.shared.outputs import checked, free_name, named
from gan.commands.shared.progress import printer
from gan.data.datasets import load
from gan.evaluation import Evaluator, evaluate, n_rows, read_images
from gan.evaluation.feature_extractor import ACCURACY, SHA256
from gan.evaluation.metrics import table
from gan.generator_file import load_sampler
from gan.sampling import AT_ONCE, Sampler
from nn.ops import get_ops
from nn.serialization.files import atomic_write

COUNT = 10_000  # images to evaluate: as many as there are test images
LEAST = 1_000  # far more than the classifier's 128 features, as their covariance requires
N_VALIDATION = 1_000  # training images that choose Parzen's sigma
VALIDATION = 50_000  # the index of the first of them, if there are that many

Progress = Callable[[int], object]


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", metavar="FILE", help="evaluate this weights.npz of a run")
    source.add_argument("--samples", metavar="FILE", help="evaluate the images in this .npz")
    add_seed(parser, "draw the images of this seed")
    add_out(parser, "write the figures to this .json", "metrics.json, metrics-2.json ...", "FILE")
    add_data(parser)
    add_device(parser)
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet)
    began, ops = time.monotonic(), get_ops(args.device)
    out = free_name(Path("metrics.json")) if args.out is None else checked(args.out, ".json")
    images: Callable[[Progress], np.ndarray]
    if args.weights is None:
        given, chosen = samples_in(args.samples, args.seed)
        images, count, n_drawn = (lambda progress: given), len(given), 0
    else:
        images = partial(samples_of, load_sampler(args.weights, ops), args.seed)
        chosen, count, n_drawn = "", COUNT, COUNT
    train, _ = load(args.dataset, "train", data_dir=args.data_dir, quiet=args.quiet)
    test, _ = load(args.dataset, "test", data_dir=args.data_dir, quiet=args.quiet)
    has_validation = len(train) > VALIDATION
    validation = train[VALIDATION:][:N_VALIDATION] if has_validation else train[-N_VALIDATION:]
    floor = train[: min(count, len(train) - N_VALIDATION)]
    say(
        f"{args.weights or args.samples}: {count:,} images{chosen} against {len(test):,} test "
        f"images; floor: {len(floor):,} of {len(train):,} training images"
    )
    total = n_drawn + len(test)
    total += sum(n_rows(n, len(validation), len(test)) for n in (count, len(floor)))
    form = "{l_bar}{bar}| {elapsed}<{remaining}"
    with tqdm(total=total, bar_format=form, disable=args.quiet, leave=False) as bar:
        sets = images(bar.update), floor
        evaluator = Evaluator(test, ops, bar.update)
        ours, real = (evaluate(each, evaluator, validation, bar.update) for each in sets)
    report = {
        "weights": args.weights,
        "samples": args.samples,
        "seed": args.seed,
        "images": count,
        "test_images": len(test),
        "train_images": len(train),
        "floor_images": len(floor),
        "validation_images": len(validation),
        "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
        "metrics": ours,
        "floor": real,
        "seconds": round(time.monotonic() - began, 1),
    }
    with named(out), atomic_write(out) as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
    say(table(ours, real))
    say(f"{out}: these figures; {report['seconds']:.0f} s")
    return 0


def samples_in(path: str, seed: int) -> tuple[np.ndarray, str]:
    """At most COUNT images of a file, and a remark if there are more."""
    images = read_images(path, LEAST)
    if len(images) <= COUNT:
        return images, ""
    # At random, since a file may be sorted
    rows = np.random.default_rng(seed).choice(len(images), COUNT, replace=False)
    return images[rows], f", drawn from {len(images):,},"


def samples_of(sampler: Sampler, seed: int, progress: Progress) -> np.ndarray:
    """COUNT images of the generator: float32 (COUNT, 28, 28) in [0, 1]."""
    inputs, parts = sampler.inputs(COUNT, seed), []
    for i in range(0, COUNT, AT_ONCE):
        parts.append(sampler.images(inputs[i : i + AT_ONCE]))
        progress(len(parts[-1]))
    return np.concatenate(parts)
