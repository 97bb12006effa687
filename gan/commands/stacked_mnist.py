"""Measure diversity with Stacked MNIST: how many of 1,000 classes does a generator draw?

The protocol is PacGAN's. The images are 128,000 random triples of digits, 28 x 28 in three colours,
trained on for 50 epochs in batches of 64. Then a classifier names the digits in 26,000 samples. The
reverse KL compares the distribution of triples with the uniform one. The first row of the table is
the floor: the same number of training triples, with their true labels.

For example:

    byhand stacked-mnist
    byhand stacked-mnist --recipe stacked-ours --epochs 50
    byhand stacked-mnist --resume runs/NAME
"""

from __future__ import annotations

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
from gan.commands.shared.outputs import free_folder, free_name, run_folder
from gan.commands.shared.pasting import to_paste
from gan.commands.shared.progress import ProgressBar, collapse_warnings, printer
from gan.commands.shared.signals import Stopper, on_signals
from gan.data.datasets import load
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.errors import RunError
from gan.evaluation.feature_extractor import ACCURACY, SHA256, load_feature_extractor
from gan.evaluation.stacked_modes import N_SAMPLES, modes, sample_triples, table
from gan.folders import check_new
from gan.images import grid
from gan.recipes import STACKED_DIGITS, get_recipe, recipes_for
from gan.runs.kept_settings import kept_settings
from gan.runs.resume import check_data, digest, fallback_dataset, length_left
from gan.runs.stacked_run import StackedRun
from gan.sampling import Sampler
from gan.training.trainer import Trainer
from nn import Sequential
from nn.ops import get_ops

MINUTES = 15.0
LENGTHS = ("epochs", "steps", "minutes")


def arguments() -> Namespace:
    """Parse the command line."""
    parser, recipes = Parser(description=__doc__), recipes_for(STACKED_DIGITS)
    add = parser.add_argument
    add(
        "--recipe",
        nargs="+",
        type=one_of(recipes),
        metavar="NAME",
        help=f"compare these recipes of {', '.join(recipes)} (default: all)",
    )
    add_lengths(parser, "train each recipe", f"{MINUTES:g} minutes")
    add(
        "--samples",
        type=positive_int,
        metavar="N",
        help=f"classify N generated images (default: {N_SAMPLES})",
    )
    add_data(parser, default=None)
    add_device(parser, None, tf32=True)
    add_seed(parser, "use this seed, with which runs of equal length can be repeated", None)
    add_out(
        parser,
        "write modes.json and the weights of each recipe into this folder",
        "runs/stacked-TIME",
    )
    add(
        "--resume",
        metavar="RUN",
        help="continue the run in this folder with its settings",
    )
    add_quiet(parser)
    return parser.parse_args()


def defaults() -> dict[str, Any]:
    """The settings of a run and their defaults."""
    return {
        "recipe": list(recipes_for(STACKED_DIGITS)),
        "dataset": "mnist",
        **dict.fromkeys(LENGTHS),
        "samples": N_SAMPLES,
        "seed": 0,
        "device": "auto",
        "tf32": False,
    }


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    say = printer(args.quiet)
    run = None if args.resume is None else StackedRun.resume(args.resume)
    checkpoint = run.checkpoint if run else None
    config = kept_settings(vars(args), defaults(), checkpoint.config if checkpoint else None)
    if not any(config[name] for name in LENGTHS):
        config["minutes"] = MINUTES
    for name in config["recipe"]:
        if get_recipe(name).image_shape != STACKED_DIGITS:
            known = ", ".join(recipes_for(STACKED_DIGITS))
            raise RunError(f"recipe: expected one of {known}, got {name!r}")
    ops = get_ops(config["device"], config["tf32"])
    out = Path(args.out) if args.out else run_folder("stacked")
    if not run:
        check_new(out if args.out else free_name(out))  # before the data are fetched
    dataset, data_dir = config["dataset"], args.data_dir
    data_dir = data_dir or (checkpoint.data_dir if checkpoint else None)
    images, labels = load(dataset, "train", data_dir=data_dir, flat=False, quiet=args.quiet)
    if sample := fallback_dataset(checkpoint, digest(images, labels)):
        images, labels = load(sample, "train", flat=False)
    check_data(checkpoint, digest(images, labels))
    triples = random_triples(len(images), N_TRIPLES, config["seed"])
    config |= {
        "images": len(images),
        "data": digest(images, labels),
        "triples": len(triples),
        "device": ops.device if config["device"] == "auto" else config["device"],
        "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
    }
    run = run or StackedRun.create(out if args.out else free_folder(out))
    try:
        run.start(config, data_dir and str(Path(data_dir).absolute()))
        say(
            f"{len(triples):,} triples of {len(images):,} images of {dataset}, on {ops!r}; "
            f"results go to {run.path}"
        )
        floor = row("training triples", 0, labels[triples[: config["samples"]]])
        stopper = Stopper()
        stacked, classifier = StackedDigits(images, triples), load_feature_extractor(ops)
        rows = [floor, *run.rows]
        for name in dict.fromkeys(config["recipe"]):
            if any(each["recipe"] == name for each in run.rows):
                continue
            trainer = Trainer(get_recipe(name), stacked, seed=config["seed"], device=ops)
            with on_signals(stopper.stopping(trainer.stop)):
                train(trainer, run, config, args.quiet)
                if stopper.caught:
                    say(f"{name}: stopped after {trainer.step_count:,} steps; classifying samples")
                done = count_modes(
                    trainer, classifier, config["samples"], config["seed"], args.quiet
                )
            done["epochs"] = done["images_seen"] / len(triples)
            rows.append(done | {"seconds": round(trainer.seconds, 1)})
            run.write_report(rows)
            if stopper.caught:
                break
            run.rows.append(rows[-1])
    finally:
        run.release()
    say(table(rows))
    if stopper.caught:
        say("continue with")
        say(f"  {to_paste('stacked-mnist', '--resume', run.path)}")
    return stopper.status


def train(trainer: Trainer, run: StackedRun, config: dict[str, Any], quiet: bool) -> None:
    """Train a recipe to its length, or to a signal, and save it."""
    run.restore(trainer)
    recorded = [{"step": trainer.step_count}]
    name = trainer.recipe.name
    try:
        if left := length_left(config, trainer, recorded):
            bar = tqdm(desc=name, unit="step", disable=quiet, initial=trainer.step_count)
            with bar, collapse_warnings():
                trainer.fit(**left, callbacks=[ProgressBar(bar), run])
    finally:  # also if a loss is no longer finite
        run.save(trainer, grid(trainer.fixed_samples()))


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
