"""Measure diversity with Stacked MNIST: how many of 1,000 classes does a generator draw?

The protocol is PacGAN's. The images are 128,000 random triples of digits, 28 x 28 in three colours,
trained on for 50 epochs in batches of 64. Then a classifier names the digits in 26,000 samples. The
reverse KL compares the distribution of triples with the uniform one. The first row of the table is
the floor: the same number of training triples, with their true labels.

For example:

    python examples/stacked_mnist.py
    python examples/stacked_mnist.py --recipe stacked-ours --minutes 45
    python examples/stacked_mnist.py --epochs 50
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.shared.command_line import Parser, one_of, positive_int
from gan.commands.shared.options import (
    add_data,
    add_device,
    add_lengths,
    add_out,
    add_quiet,
    add_seed,
)
from gan.commands.shared.outputs import named, run_folder
from gan.commands.shared.progress import ProgressBar, printer
from gan.commands.shared.signals import Stopper, on_signals
from gan.data.datasets import load
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.evaluation.feature_extractor import ACCURACY, SHA256, load_feature_extractor
from gan.evaluation.stacked_modes import N_SAMPLES, colour_grid, modes, sample_triples, table
from gan.folders import check_new, new_folder
from gan.images import save_picture
from gan.recipes import STACKED_DIGITS, get_recipe, recipes_for
from gan.runs.weights import save_trained
from gan.sampling import Sampler
from gan.training.trainer import Trainer
from nn import Sequential
from nn.ops import get_ops
from nn.serialization.files import atomic_write

MINUTES = 15.0


def arguments() -> Namespace:
    """Parse the command line."""
    parser, recipes = Parser(description=__doc__), recipes_for(STACKED_DIGITS)
    add = parser.add_argument
    add(
        "--recipe",
        nargs="+",
        default=list(recipes),
        type=one_of(recipes),
        metavar="NAME",
        help=f"compare these recipes of {', '.join(recipes)} (default: all)",
    )
    add_lengths(parser, "train each recipe", f"{MINUTES:g} minutes")
    add(
        "--samples",
        type=positive_int,
        default=N_SAMPLES,
        metavar="N",
        help="classify N generated images (default: %(default)s)",
    )
    add_data(parser)
    add_device(parser, tf32=True)
    add_seed(parser, "use this seed, with which runs of equal length can be repeated")
    add_out(
        parser,
        "write modes.json and the weights of each recipe into this folder",
        "runs/stacked-TIME",
    )
    add_quiet(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet)
    ops = get_ops(args.device, args.tf32)
    out = Path(args.out) if args.out else run_folder("stacked")
    check_new(out)  # before the data are fetched
    length = {"epochs": args.epochs, "steps": args.steps, "minutes": args.minutes}
    if not any(length.values()):
        length["minutes"] = MINUTES
    classifier = load_feature_extractor(ops)
    images, labels = load(
        args.dataset, "train", data_dir=args.data_dir, flat=False, quiet=args.quiet
    )
    triples = random_triples(len(images), N_TRIPLES, args.seed)
    config = {
        "dataset": args.dataset,
        "images": len(images),
        "triples": len(triples),
        **length,
        "samples": args.samples,
        "seed": args.seed,
        "device": ops.device,
        "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
    }
    rows = [row("training triples", 0, labels[triples[: args.samples]])]
    new_folder(out)
    say(
        f"{len(triples):,} triples of {len(images):,} images of {args.dataset}, on {ops!r}; "
        f"results go to {out}"
    )
    stopper = Stopper()
    for name in dict.fromkeys(args.recipe):
        stacked = StackedDigits(images, triples)
        trainer = Trainer(get_recipe(name), stacked, seed=args.seed, device=ops)
        with on_signals(stopper.stopping(trainer.stop)):
            began = time.monotonic()
            try:
                with tqdm(desc=name, unit="step", disable=args.quiet) as bar:
                    trainer.fit(**length, callbacks=[ProgressBar(bar)])
            finally:  # also if a loss is no longer finite
                seconds = time.monotonic() - began
                save(trainer, out, config)
            done = count_modes(trainer, classifier, args.samples, args.seed, args.quiet)
        done["epochs"] = done["images_seen"] / len(triples)
        rows.append(done | {"seconds": round(seconds, 1)})
        report = config | {"rows": rows}
        with named(out / "modes.json"), atomic_write(out / "modes.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
        if stopper.caught:
            say(f"{name}: stopped after {trainer.step_count:,} steps and evaluated as it was")
            break
    say(table(rows))
    return stopper.status


def save(trainer: Trainer, out: Path, config: dict[str, Any]) -> None:
    """Write the weights of the recipe and a picture of its fixed samples."""
    name = trainer.recipe.name
    with named(out):
        save_trained(out / f"{name}.npz", trainer, config)
        save_picture(out / f"{name}.png", colour_grid(trainer.fixed_samples()))


def count_modes(
    trainer: Trainer, classifier: Sequential, count: int, seed: int, quiet: bool
) -> dict[str, Any]:
    """Classify `count` samples, and return their row of the table."""
    recipe = trainer.recipe
    sampler = Sampler(trainer.generator_ema, recipe.latent, recipe.image_range)
    with tqdm(desc="classifying", total=count, unit="image", disable=quiet, leave=False) as bar:
        triples = sample_triples(sampler, classifier, count, seed, bar.update)
    return row(recipe.name, trainer.step_count * trainer.batch_size, triples)


def row(name: str, images_seen: int, triples: np.ndarray) -> dict[str, Any]:
    """A row of the table, from triples of digits (N, 3)."""
    n_modes, reverse_kl = modes(triples)
    return {
        "recipe": name,
        "images_seen": images_seen,
        "samples": len(triples),
        "modes": n_modes,
        "reverse_kl": reverse_kl,
    }
