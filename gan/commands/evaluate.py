"""Measure generated images against real ones: those of a trained generator or of a file.

It prints a table and writes metrics.json. Beside each figure is its floor: the same figure of real
images. Digits are measured against MNIST's test images. Other images are measured on the features
of a classifier that is trained on their data first, once, in a few minutes, against images that
were held out of training. On Stacked MNIST, modes are counted. The file of samples contains one
array, or one named images, of floats in [0, 1] or uint8: (N, H, W), (N, C, H, W) or (N, H, W, 3).

For example:

    byhand evaluate --weights runs/NAME/weights.npz
    byhand evaluate --weights runs/NAME/best.npz --seed 1 --neighbours
    byhand evaluate --samples images.npz --data photos
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan.commands.evaluating.data import dataset_of, own_split
from gan.commands.evaluating.digits import evaluate_digits
from gan.commands.evaluating.image_evaluation import Stopped
from gan.commands.evaluating.images import evaluate_images
from gan.commands.evaluating.neighbours import show_neighbours
from gan.commands.evaluating.stacked import evaluate_stacked
from gan.commands.shared.command_line import Parser
from gan.commands.shared.image_options import add_own_images
from gan.commands.shared.options import (
    add_data,
    add_device,
    add_out,
    add_quiet,
    add_seed,
)
from gan.commands.shared.outputs import checked, free_name, named
from gan.commands.shared.progress import printer
from gan.data import stacked
from gan.data.image_shapes import POINTS
from gan.data.images import cifar10
from gan.data.sources import DIGIT_DATASETS, SOURCES
from gan.errors import RunError
from gan.generator_file import load_generator
from gan.recipe import DIGITS
from gan.runs.settings import SOURCE
from gan.runs.starting.dataset_split import dataset_split
from gan.sampling import Sampler
from nn.ops import get_ops
from nn.serialization.files import atomic_write


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--weights", metavar="FILE", help="evaluate this weights.npz of a run")
    source.add_argument(
        "--samples",
        metavar="FILE",
        help="evaluate the images in this .npz, or for images that are not digits in this folder",
    )
    add_seed(parser, "draw the images of this seed")
    add_out(parser, "write the figures to this .json", "metrics.json, metrics-2.json ...", "FILE")
    parser.add_argument(
        "--neighbours",
        action="store_true",
        help="also draw samples beside their nearest training images, in neighbours.png",
    )
    datasets = [*SOURCES, cifar10.NAME, stacked.NAME]
    add_data(parser, datasets, None, own=True, without="that of the run, or mnist")
    add_own_images(parser)
    add_device(parser)
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet)
    began, ops = time.monotonic(), get_ops(args.device)
    out = free_name(Path("metrics.json")) if args.out is None else checked(args.out, ".json")
    sampler: Sampler | None = None
    training: Mapping[str, Any] = {}
    if args.weights is not None:
        sampler, description = load_generator(args.weights, ops)
        training = description.training
        if sampler.image_shape == POINTS:
            raise RunError(
                f"{args.weights}: expected a generator of images, got one of points, which these "
                "figures do not measure; look at them with byhand predict"
            )
    dataset = dataset_of(args, training)
    check_together(args, dataset, sampler)
    report = {"weights": args.weights, "samples": args.samples, "seed": args.seed}
    samples, split = np.empty(0), None
    if dataset in DIGIT_DATASETS:
        figures, samples = evaluate_digits(args, dataset, sampler, ops, say)
    elif dataset == stacked.NAME:
        figures = evaluate_stacked(args, sampler, ops, say)
    else:
        if dataset is None:
            shape = sampler.image_shape if sampler else None
            split, remark = own_split(args, training, shape)
            say(split.whole.report + (f"; {remark}" if remark else ""))
        else:
            split = dataset_split(dataset, args.data_dir, args.quiet)
        try:
            figures, samples = evaluate_images(args, sampler, split, ops, say)
        except Stopped as stop:
            return stop.status
    report |= figures
    if args.neighbours:
        split = split or dataset_split(str(dataset), args.data_dir, args.quiet)
        picture = free_name(Path("neighbours.png"))
        report["neighbours"] = show_neighbours(samples, split, picture, args.quiet, say)
    report["seconds"] = round(time.monotonic() - began, 1)
    with named(out), atomic_write(out) as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
    say(f"{out}: these figures; {report['seconds']:.0f} s")
    return 0


def check_together(args: Namespace, dataset: str | None, sampler: Sampler | None) -> None:
    """Raise `RunError` for options that do not go together, and for digits of another shape."""
    for name in SOURCE:
        if getattr(args, name) is not None and dataset is not None:
            raise RunError(
                f"--{name}: expected images of your own with it, got {dataset}; name a folder of "
                f"images with --data, or do without --{name}"
            )
    if args.neighbours and dataset == stacked.NAME:
        raise RunError(
            "--neighbours: expected images that are compared with each other, got stacked-mnist, "
            "whose modes are counted; do without it"
        )
    if sampler and dataset in DIGIT_DATASETS and sampler.image_shape not in (None, DIGITS):
        raise RunError(
            f"{args.weights}: expected digits of {DIGITS[1]} x {DIGITS[2]} in grey, got images of "
            f"shape {sampler.image_shape}; name their data with --data or --dataset"
        )
