"""Diversity by the field's own test, Stacked MNIST: how many of 1,000 kinds of image does a generator draw?

    python examples/stacked_mnist.py                # ours and a plain DCGAN, 15 minutes each
    python examples/stacked_mnist.py --epochs 50    # the whole protocol

The protocol is PacGAN's: 128,000 random triples of digits as 28 x 28 in three colours, 50 epochs in batches of 64, then a
classifier names the digits in 26,000 samples. The reverse KL is that of the shares of the triples to equal shares. The
first row of the table is its floor: as many of the training triples themselves, by their labels.
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse
import json
import time
from functools import partial
from pathlib import Path

from tqdm import tqdm

from gan.commands.command_line import (
    Parser,
    named,
    on_signals,
    positive_float,
    positive_int,
    run,
    seed,
)
from gan.data.datasets import load
from gan.evaluation.feature_extractor import ACCURACY, SHA256, load_feature_extractor
from gan.images import save_picture
from gan.recipes import STACKED_DIGITS, get_recipe, recipes_for
from gan.runs.run import check_new, new_folder
from gan.sampling import Sampler
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.evaluation.stacked_modes import N_SAMPLES, colour_grid, sample_triples, modes, table
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import save_weights
from nn.serialization.files import atomic_write
from nn.ops import DEVICES, get_ops

DATASETS = ("mnist", "mnist-sample")
MINUTES = 15.0


class Bar(Callback):
    """Moves a progress bar on, with losses and images a second."""

    def __init__(self, bar):
        self.bar = bar

    def on_log(self, trainer, record):
        self.bar.set_postfix_str(
            f"D {record['d_loss']:.3f}, G {record['g_loss']:.3f}, {record['images_per_second']:,.0f} images/s",
            refresh=False,
        )
        if trainer.last_step != float("inf"):
            self.bar.total = trainer.last_step
        self.bar.update(trainer.step_count - self.bar.n)


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", nargs="+", default=list(recipes_for(STACKED_DIGITS)), choices=recipes_for(STACKED_DIGITS), metavar="NAME",
        help=f"one or more of {', '.join(recipes_for(STACKED_DIGITS))} (default: all)")  # fmt: skip
    add("--epochs", type=positive_int, help="train each for so many epochs; the protocol's are 50")
    add("--steps", type=positive_int, help="train each for so many steps")
    add(
        "--minutes",
        type=positive_float,
        help=f"train each for so many minutes (default, without a length: {MINUTES:g})",
    )
    add(
        "--samples",
        type=positive_int,
        default=N_SAMPLES,
        help="images to judge (default: %(default)s)",
    )
    add(
        "--dataset",
        default="mnist",
        choices=DATASETS,
        help="all of MNIST, or the bundled sample (default: %(default)s)",
    )
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    add(
        "--tf32",
        action="store_true",
        help="on a GPU: products of factors rounded to TF32, which are faster",
    )
    add(
        "--seed",
        type=seed,
        default=0,
        help="with it, equal numbers of steps give equal results (default: %(default)s)",
    )
    add(
        "--out",
        help="folder for modes.json, and each recipe's weights and picture (default: runs/stacked-TIME)",
    )
    add("--quiet", action="store_true", help="print errors and warnings only")
    return parser.parse_args()


def main():
    args = arguments()
    say = (lambda *words: None) if args.quiet else print
    ops = get_ops(args.device, args.tf32)
    out = Path(args.out or f"runs/stacked-{time.strftime('%Y%m%d-%H%M%S')}")
    check_new(out)  # before the data are fetched
    length = {"epochs": args.epochs, "steps": args.steps, "minutes": args.minutes}
    if not any(length.values()):
        length["minutes"] = MINUTES
    classifier = load_feature_extractor(ops)
    images, labels = load(
        args.dataset, "train", data_dir=args.data_dir, flat=False, quiet=args.quiet
    )
    triples = random_triples(len(images), N_TRIPLES, args.seed)
    report = {
        "dataset": args.dataset, "images": len(images), "triples": len(triples), **length, "samples": args.samples,
        "seed": args.seed, "device": ops.device, "classifier": {"sha256": SHA256, "accuracy": ACCURACY},
        "rows": [row("training triples", 0, labels[triples[: args.samples]])],
    }  # fmt: skip
    new_folder(out)
    say(
        f"{len(triples):,} triples of {len(images):,} images of {args.dataset}, on {ops!r}; results go to {out}"
    )
    caught = []
    for name in dict.fromkeys(args.recipe):
        trainer = Trainer(
            get_recipe(name), StackedDigits(images, triples), seed=args.seed, device=ops
        )
        with on_signals(partial(stop, trainer, caught)):
            began = time.monotonic()
            try:
                with tqdm(desc=name, unit="step", disable=args.quiet) as bar:
                    trainer.fit(**length, callbacks=[Bar(bar)])
            finally:  # where a loss is no longer finite, too
                seconds = time.monotonic() - began
                save(trainer, out, {key: value for key, value in report.items() if key != "rows"})
            done = judge(trainer, classifier, args.samples, args.seed, args.quiet)
        report["rows"].append(
            done | {"epochs": done["images_seen"] / len(triples), "seconds": round(seconds, 1)}
        )
        with named(out / "modes.json"), atomic_write(out / "modes.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
        if caught:
            say(f"{name}: stopped after {trainer.step_count:,} steps, and judged as it was")
            break
    say(table(report["rows"]))
    return 128 + caught[0] if caught else 0


def stop(trainer, caught, signum):
    caught.append(signum)
    trainer.stop()


def save(trainer, out, config):
    """Write the recipe's weights, and a picture of what the artist makes of fixed noise."""
    recipe = trainer.recipe
    info = {
        "recipe": recipe.name,
        "latent": {"size": recipe.latent.size, "distribution": recipe.latent.distribution},
        "classes": recipe.classes,
        "image_range": recipe.image_range,
        "training": {**config, "steps_done": trainer.step_count},
    }
    with named(out):
        save_weights(
            out / f"{recipe.name}.npz",
            {"G": trainer.generator_ema, "D": trainer.discriminator},
            info,
        )
        save_picture(out / f"{recipe.name}.png", colour_grid(trainer.fixed_samples()))


def judge(trainer, classifier, count, seed, quiet):
    """What the classifier makes of so many samples of the trainer's artist, as a row of the table."""
    recipe = trainer.recipe
    sampler = Sampler(trainer.generator_ema, recipe.latent, recipe.image_range)
    with tqdm(desc="judging", total=count, unit="image", disable=quiet, leave=False) as bar:
        names = sample_triples(sampler, classifier, count, seed, bar.update)
    return row(recipe.name, trainer.step_count * trainer.batch_size, names)


def row(name, images_seen, triples):
    kinds, reverse_kl = modes(triples)
    return {
        "recipe": name,
        "images_seen": images_seen,
        "samples": len(triples),
        "modes": kinds,
        "reverse_kl": reverse_kl,
    }


if __name__ == "__main__":
    run(main)
