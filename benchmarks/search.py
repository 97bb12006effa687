"""Short runs of variants of the default, and their quality: to choose the next default.

    python -m benchmarks.search
    python -m benchmarks.search --steps 12000 --variant default --variant "64 of noise"

Each run uses 50,000 training images of MNIST and one seed. Its 10,000 samples are compared with the
other 10,000, so the test images play no part in it, as they did when the default was chosen.
`unsure` counts the samples whose digit the classifier names with a probability below 0.6. The
default 5,000 steps take a minute or two.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run, seed
from gan.commands.shared.progress import ProgressBar
from gan.data.datasets import load
from gan.data.held_out import hold_out
from gan.errors import RunError
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.precision_recall import precision_recall
from gan.latent import Latent
from gan.networks import small_discriminator, small_generator
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.own_recipes import CONV_CLUSTERS, CONV_R1R2, FEATURES, FORMER_CLUSTERS
from gan.recipe import DIGITS, Recipe
from gan.training.trainer import Trainer
from nn.schedules import CosineSchedule, InverseSqrtSchedule, LinearSchedule

PART = 6  # one training image in six is held out: 10,000 of MNIST
SAMPLES = 10_000  # images drawn of each variant
SAMPLE_SEED = 1_000
UNSURE = 0.6  # probability of a digit
STEPS = 12_000  # where a rate falls to 0, it is 0 then


def changed(**settings: Any) -> Recipe:
    """The default with other settings."""
    return replace(CONV_CLUSTERS, **settings)


def wide(narrowest: int) -> Recipe:
    """The default with more channels."""
    made = partial(small_discriminator, image_shape=DIGITS, narrowest=narrowest, features=FEATURES)
    return changed(
        make_generator=partial(small_generator, image_shape=DIGITS, narrowest=narrowest),
        make_discriminator=made,
    )


VARIANTS = {
    "default": CONV_CLUSTERS,
    "default of version 0.1": FORMER_CLUSTERS,
    "no clusters": CONV_R1R2,
    **{f"{k} clusters": changed(clusters=k) for k in (50, 100, 200, 600)},
    **{f"{size} of noise": changed(latent=Latent(size)) for size in (16, 64)},
    "a D of 64 features less": changed(
        make_discriminator=partial(small_discriminator, image_shape=DIGITS)
    ),
    "48 channels": wide(48),
    "classes divided into 40 clusters": changed(classes=10, clusters=40),
    "R1 and R2 of 0.5": changed(penalty=ZeroCentered(0.5, every=8)),
    "R1 and R2 of 1": changed(penalty=ZeroCentered(1.0, every=8)),
    "R1 alone": changed(penalty=ZeroCentered(0.2, fake=False, every=8)),
    "constant rate": changed(schedule=None),
    "constant rate of 2e-3": changed(schedule=None, learning_rate=2e-3),
    "rate of 2e-3, falls from 2,000": changed(
        schedule=InverseSqrtSchedule(2_000), learning_rate=2e-3
    ),
    "rate falls from 8,000, beta2 of 0.995": changed(
        schedule=InverseSqrtSchedule(8_000), beta2=0.995
    ),
    "rate falls on a line": changed(schedule=LinearSchedule(STEPS)),
    "rate falls on a line from 3e-3": changed(schedule=LinearSchedule(STEPS), learning_rate=3e-3),
    "rate falls on a cosine": changed(schedule=CosineSchedule(STEPS)),
    "moving average of 0.9995": changed(ema_decay=0.9995),
    "batches of 64": changed(batch_size=64),
    "relativistic pairs": changed(objective=Relativistic()),
}


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--variant",
        action="append",
        metavar="V",
        help=f"may be given several times, of: {', '.join(VARIANTS)} (default: all)",
    )
    add_count(parser, "--steps", 5000, "length of each run")
    add(
        "--seed", type=seed, default=0, help="equal seeds give equal results (default: %(default)s)"
    )
    add("--data-dir", help="folder that contains the data files, or receives them (default: data/)")
    add_markdown(parser)
    return parser.parse_args()


def row(
    name: str,
    steps: int,
    seed: int,
    images: np.ndarray,
    labels: np.ndarray,
    evaluator: Evaluator,
) -> tuple[str, ...]:
    """Train a variant; returns its line of the table."""
    recipe = VARIANTS[name]
    targets = labels if recipe.classes else None
    trainer, began = Trainer(recipe, images, targets, seed=seed), time.monotonic()
    with tqdm(desc=name, total=steps, unit="step", leave=False) as bar:
        trainer.fit(steps=steps, callbacks=[ProgressBar(bar)])
    milliseconds = 1000 * (time.monotonic() - began) / steps
    sampler = trainer.sampler
    features = evaluator.features(sampler.images(sampler.inputs(SAMPLES, SAMPLE_SEED)))
    precision, recall = precision_recall(evaluator.test_features, features)
    sure = evaluator.probabilities(features).max(axis=1)
    figures = f"{evaluator.fid_of_features(features):.3f}", f"{precision:.3f}", f"{recall:.3f}"
    return name, f"{milliseconds:.1f}", *figures, f"{(sure < UNSURE).sum()}"


def main() -> int:
    args = arguments()
    names = args.variant or list(VARIANTS)
    if unknown := sorted(set(names) - set(VARIANTS)):
        raise RunError(
            f"--variant: expected some of {', '.join(VARIANTS)}, got {', '.join(unknown)}"
        )
    images, labels = load("mnist", "train", data_dir=args.data_dir, flat=False)
    images, labels, held_out = hold_out(images, labels, len(images) // PART)
    evaluator = Evaluator(held_out)
    print(machine(), file=sys.stderr)
    rows = [row(name, args.steps, args.seed, images, labels, evaluator) for name in names]
    header = "variant", "ms a step", "FID", "precision", "recall", "unsure"
    print(f"after {args.steps:,} steps:", file=sys.stderr)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
