"""Measure generated digits against MNIST's test images: those of a trained generator, or of any project's file.

    python examples/evaluate.py --weights runs/conv-r1r2-20260101-120000/weights.npz
    python examples/evaluate.py --samples images.npz

prints a table and writes metrics.json. Beside each figure stands its floor: what real training images get. The file of
samples holds one array, or one named images: (N, 28, 28), (N, 1, 28, 28) or (N, 784), floats in [0, 1] or uint8, ink high.
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse
import json
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan.commands.command_line import Parser, checked, free_name, named, run, seed
from gan.data.datasets import load
from gan.evaluation import Evaluator, evaluate, n_rows, read_images
from gan.evaluation.metrics import table
from gan.evaluation.feature_extractor import ACCURACY, SHA256
from gan.sampling import AT_ONCE, load_sampler
from nn.serialization.files import atomic_write
from nn.ops import DEVICES, get_ops

DATASETS = ("mnist", "mnist-sample")
COUNT = 10_000  # images judged, as many as there are test images
LEAST = 1_000  # far more than the classifier's 128 features, whose covariance fewer would not fill
N_VALIDATION, VALIDATION = 1_000, 50_000  # how many training images choose Parzen's sigma, and the first of them


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", help="weights.npz of a training")
    what.add_argument("--samples", help="an .npz of images")
    add = parser.add_argument
    add("--seed", type=seed, default=0, help="of what is judged, where there is a choice; equal seeds judge equal images (default: %(default)s)")
    add("--out", help="file to write, a .json (default: metrics.json, metrics-2.json ...)")
    add("--dataset", default="mnist", choices=DATASETS, help="all of MNIST, or the bundled sample (default: %(default)s)")
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    add("--quiet", action="store_true", help="print errors and warnings only")
    return parser.parse_args()


def main():
    args = arguments()
    say = (lambda *words: None) if args.quiet else print
    began, ops = time.monotonic(), get_ops(args.device)
    out = free_name(Path("metrics.json")) if args.out is None else checked(args.out, ".json")
    sampler = args.weights and load_sampler(args.weights, ops)
    given, chosen = read_images(args.samples, LEAST) if args.samples else None, ""
    if args.samples and len(given) > COUNT:  # any of them: a file may be sorted
        chosen = f", drawn from {len(given):,},"
        given = given[np.random.default_rng(args.seed).choice(len(given), COUNT, replace=False)]
    count = len(given) if args.samples else COUNT
    train, _ = load(args.dataset, "train", data_dir=args.data_dir, quiet=args.quiet)
    test, _ = load(args.dataset, "test", data_dir=args.data_dir, quiet=args.quiet)
    validation = train[VALIDATION:][:N_VALIDATION] if len(train) > VALIDATION else train[-N_VALIDATION:]
    floor = train[: min(count, len(train) - N_VALIDATION)]
    say(f"{args.weights or args.samples}: {count:,} images{chosen} against {len(test):,} test images; "
        f"floor: {len(floor):,} of {len(train):,} training images")  # fmt: skip
    total = (count if sampler else 0) + len(test) + sum(n_rows(n, len(validation), len(test)) for n in (count, len(floor)))
    with tqdm(total=total, bar_format="{l_bar}{bar}| {elapsed}<{remaining}", disable=args.quiet, leave=False) as bar:
        images = drawn(sampler, args.seed, bar.update) if sampler else given
        judge = Evaluator(test, ops, bar.update)
        ours, real = (evaluate(x, judge, validation, bar.update) for x in (images, floor))
    report = {
        "weights": args.weights, "samples": args.samples, "seed": args.seed,
        "images": count, "test_images": len(test), "train_images": len(train), "floor_images": len(floor),
        "validation_images": len(validation), "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
        "metrics": ours, "floor": real, "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    with named(out), atomic_write(out) as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
    say(table(ours, real))
    say(f"{out}: these figures; {report['seconds']:.0f} s")
    return 0


def drawn(sampler, seed, progress):
    """COUNT images of the generator: float32 (COUNT, 28, 28) in [0, 1]."""
    inputs, parts = sampler.inputs(COUNT, seed), []
    for i in range(0, COUNT, AT_ONCE):
        parts.append(sampler.images(inputs[i : i + AT_ONCE]))
        progress(len(parts[-1]))
    return np.concatenate(parts)


if __name__ == "__main__":
    run(main)
