"""Short runs of variants of the default, and their quality: to choose the next default.

    python -m benchmarks.search
    python -m benchmarks.search --steps 12000 --variant default --variant "400 clusters"

Each run uses 50,000 training images of MNIST and one seed. Its 10,000 samples are compared with the
other 10,000, so the test images play no part in the choice.
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
from gan.evaluation.class_metrics import unsure
from gan.evaluation.evaluator import Evaluator
from gan.evaluation.precision_recall import precision_recall
from gan.latent import Latent
from gan.networks import small_discriminator, small_generator
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.own_recipes import CONV_CLUSTERS, CONV_R1R2, FEATURES, FORMER_CLUSTERS
from gan.recipe import DIGITS, Recipe
from gan.training.trainer import Trainer
from nn import Dense, Sequential
from nn.schedules import CosineSchedule, InverseSqrtSchedule, LinearSchedule

PART = 6  # one training image in six is held out: 10,000 of MNIST
SAMPLES = 10_000  # images drawn of each variant
SAMPLE_SEED = 1_000
STEPS = 12_000  # where a rate falls to 0, it is 0 then


def changed(**settings: Any) -> Recipe:
    """The default with other settings."""
    return replace(CONV_CLUSTERS, **settings)


def penalty(weight: float) -> ZeroCentered:
    """R1 and R2 of this weight, as often as the default's."""
    return ZeroCentered(weight, every=8)


def narrow_generator(n_in: int) -> Sequential:
    """The small generator behind a layer of 128 numbers, which shrinks its first."""
    return Sequential(Dense(n_in, 128), *small_generator(128, DIGITS))


WIDE = {  # channels next to the image, in place of 32
    "make_generator": partial(small_generator, image_shape=DIGITS, narrowest=48),
    "make_discriminator": partial(
        small_discriminator, image_shape=DIGITS, narrowest=48, features=FEATURES
    ),
}
SLOW = {"schedule": InverseSqrtSchedule(8_000), "beta2": 0.995}  # rates fall later
VARIANTS = {
    "default": CONV_CLUSTERS,
    "default of version 0.1": FORMER_CLUSTERS,
    "no clusters": CONV_R1R2,
    "R1 and R2 of 0.5, beta2 of 0.995": changed(penalty=penalty(0.5), beta2=0.995),
    "R1 and R2 of 1, beta2 of 0.995": changed(penalty=penalty(1.0), beta2=0.995),
    "R1 and R2 of 0.5, beta2 of 0.995, narrow G": changed(
        penalty=penalty(0.5), beta2=0.995, make_generator=narrow_generator
    ),
    "400 clusters": changed(clusters=400),
    "400 clusters, R1 and R2 of 0.5": changed(clusters=400, penalty=penalty(0.5)),
    "400 clusters, constant rate": changed(clusters=400, schedule=None),
    "400 clusters, rate falls later": changed(clusters=400, **SLOW),
    "400 clusters, rate falls on a line": changed(clusters=400, schedule=LinearSchedule(STEPS)),
    "400 clusters, rate falls on a cosine": changed(clusters=400, schedule=CosineSchedule(STEPS)),
    "400 clusters, moving average of 0.9995": changed(clusters=400, ema_decay=0.9995),
    "400 clusters, 64 of noise": changed(clusters=400, latent=Latent(64)),
    "400 clusters, 48 channels": changed(clusters=400, **WIDE),
    "1,000 clusters, rate falls later": changed(clusters=1_000, **SLOW),
    "1,000 clusters, rate falls later, narrow G": changed(
        clusters=1_000, make_generator=narrow_generator, **SLOW
    ),
    "classes, each in 60 clusters": changed(classes=10, clusters=60),
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
    n_unsure = round(SAMPLES * unsure(evaluator.probabilities(features)))
    figures = f"{evaluator.fid_of_features(features):.3f}", f"{precision:.3f}", f"{recall:.3f}"
    return name, f"{milliseconds:.1f}", *figures, f"{n_unsure}"


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
