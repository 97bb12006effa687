"""Measure generated digits against MNIST's test images: a trained generator's, or any file's.

    byhand evaluate --weights runs/conv-r1r2-20260101-120000/weights.npz
    byhand evaluate --samples images.npz

prints a table and writes metrics.json. Beside each figure is its floor: what real training images
get. The file of samples holds one array, or one named images: (N, 28, 28), (N, 1, 28, 28) or
(N, 784), floats in [0, 1] or uint8, with a background of 0.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan.commands.command_line import Parser
from gan.commands.options import add_data, add_device, add_out, add_quiet, add_seed
from gan.commands.outputs import checked, free_name, named
from gan.commands.progress import printer
from gan.data.datasets import load
from gan.evaluation import Evaluator, evaluate, n_rows, read_images
from gan.evaluation.metrics import table
from gan.evaluation.feature_extractor import ACCURACY, SHA256
from gan.sampling import AT_ONCE, Sampler, load_sampler
from nn.ops import get_ops
from nn.serialization.files import atomic_write

COUNT = 10_000  # images evaluated, as many as there are test images
LEAST = 1_000  # far more than the classifier's 128 features, whose covariance needs them
N_VALIDATION = 1_000  # training images that choose Parzen's sigma
VALIDATION = 50_000  # the first of them, where there are that many


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", help="weights.npz of a run")
    what.add_argument("--samples", help="an .npz of images")
    add_seed(parser, "of the images drawn; equal seeds evaluate equal images")
    add_out(parser, "file to write, a .json", "metrics.json, metrics-2.json ...")
    add_data(parser)
    add_device(parser)
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    say = printer(args.quiet)
    began, ops = time.monotonic(), get_ops(args.device)
    out = free_name(Path("metrics.json")) if args.out is None else checked(args.out, ".json")
    sampler = load_sampler(args.weights, ops) if args.weights else None
    given, chosen = read_images(args.samples, LEAST) if args.samples else None, ""
    if given is not None and len(given) > COUNT:  # at random: a file may be sorted
        chosen = f", drawn from {len(given):,},"
        rows = np.random.default_rng(args.seed).choice(len(given), COUNT, replace=False)
        given = given[rows]
    count = COUNT if given is None else len(given)
    train, _ = load(args.dataset, "train", data_dir=args.data_dir, quiet=args.quiet)
    test, _ = load(args.dataset, "test", data_dir=args.data_dir, quiet=args.quiet)
    has_validation = len(train) > VALIDATION
    validation = train[VALIDATION:][:N_VALIDATION] if has_validation else train[-N_VALIDATION:]
    floor = train[: min(count, len(train) - N_VALIDATION)]
    say(
        f"{args.weights or args.samples}: {count:,} images{chosen} against {len(test):,} test "
        f"images; floor: {len(floor):,} of {len(train):,} training images"
    )
    total = (count if sampler else 0) + len(test)
    total += sum(n_rows(n, len(validation), len(test)) for n in (count, len(floor)))
    form = "{l_bar}{bar}| {elapsed}<{remaining}"
    with tqdm(total=total, bar_format=form, disable=args.quiet, leave=False) as bar:
        images = samples_of(sampler, args.seed, bar.update) if sampler else given
        evaluator = Evaluator(test, ops, bar.update)
        ours, real = (evaluate(x, evaluator, validation, bar.update) for x in (images, floor))
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


def samples_of(sampler: Sampler, seed: int, progress: Callable[[int], object]) -> np.ndarray:
    """COUNT images of the generator: float32 (COUNT, 28, 28) in [0, 1]."""
    inputs, parts = sampler.inputs(COUNT, seed), []
    for i in range(0, COUNT, AT_ONCE):
        parts.append(sampler.images(inputs[i : i + AT_ONCE]))
        progress(len(parts[-1]))
    return np.concatenate(parts)
