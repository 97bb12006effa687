"""Short runs of variants of the default, and their quality: to choose the next default.

    python -m benchmarks.search
    python -m benchmarks.search --steps 12000 --variant default --variant "400 clusters, narrow D"

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
from gan.networks import batchnorm_leaky, small_discriminator, small_generator
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import CONV_CLUSTERS, CONV_R1R2, DIGITS, Recipe
from gan.training.trainer import Trainer
from nn import Dense, Sequential
from nn.schedules import CosineSchedule, LinearSchedule

PART = 6  # one training image in six is held out: 10,000 of MNIST
SAMPLES = 10_000  # images drawn of each variant
SAMPLE_SEED = 1_000
UNSURE = 0.6  # probability of a digit
STEPS = 12_000  # of the default; where a rate falls, it is 0 then
RANK = 64  # of D's heads in the narrow networks
HIDDEN = 128  # width of the first layer of the narrow generator


def clustered(clusters: int, latent_size: int) -> Recipe:
    """The default with other numbers of clusters and latent dimensions."""
    return replace(CONV_CLUSTERS, clusters=clusters, latent=Latent(latent_size))


def narrow_discriminator(n_out: int) -> Sequential:
    """The small discriminator; the heads of all clusters see RANK features of its last layer."""
    return small_discriminator(n_out, DIGITS, features=RANK)


def narrow_generator(n_in: int) -> Sequential:
    """The small generator behind a layer of HIDDEN units, which shrinks its first."""
    first = Dense(n_in, HIDDEN), *batchnorm_leaky(HIDDEN)
    return Sequential(*first, *small_generator(HIDDEN, DIGITS))


def narrow_heads(recipe: Recipe) -> Recipe:
    """The recipe with the narrow discriminator."""
    return replace(recipe, make_discriminator=narrow_discriminator)


VARIANTS = {
    "default": CONV_CLUSTERS,
    "no clusters": CONV_R1R2,
    **{f"{k} clusters, 64 of noise": clustered(k, 64) for k in (20, 50, 100, 200, 400)},
    "400 clusters, 32 of noise": clustered(400, 32),
    "400 clusters, narrow D": narrow_heads(clustered(400, 32)),
    "400 clusters, narrow D and G": replace(
        narrow_heads(clustered(400, 32)), make_generator=narrow_generator
    ),
    "R1 and R2 of 1": replace(CONV_CLUSTERS, penalty=ZeroCentered(1.0, every=8)),
    "R1 alone": replace(CONV_CLUSTERS, penalty=ZeroCentered(0.2, fake=False, every=8)),
    "learning rate 5e-4": replace(CONV_CLUSTERS, learning_rate=5e-4),
    "learning rate 2e-3": replace(CONV_CLUSTERS, learning_rate=2e-3),
    "rate falls on a line": replace(CONV_CLUSTERS, schedule=LinearSchedule(STEPS)),
    "rate falls on a line from 3e-3": replace(
        CONV_CLUSTERS, learning_rate=3e-3, schedule=LinearSchedule(STEPS)
    ),
    "rate falls on a cosine": replace(CONV_CLUSTERS, schedule=CosineSchedule(STEPS)),
    "batches of 64": replace(CONV_CLUSTERS, batch_size=64),
    "relativistic pairs": replace(CONV_CLUSTERS, objective=Relativistic()),
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
    name: str, steps: int, seed: int, images: np.ndarray, evaluator: Evaluator
) -> tuple[str, ...]:
    """Train a variant; returns its line of the table."""
    trainer, began = Trainer(VARIANTS[name], images, seed=seed), time.monotonic()
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
    images, _ = load("mnist", "train", data_dir=args.data_dir, flat=False)
    images, _, held_out = hold_out(images, None, len(images) // PART)
    evaluator = Evaluator(held_out)
    print(machine(), file=sys.stderr)
    rows = [row(name, args.steps, args.seed, images, evaluator) for name in names]
    header = "variant", "ms a step", "FID", "precision", "recall", "unsure"
    print(f"after {args.steps:,} steps:", file=sys.stderr)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
