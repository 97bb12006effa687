"""How the default was chosen: short runs of variants of it, each on one core, and their FID.

    python -m benchmarks.search
    python -m benchmarks.search --steps 12000 --variant default --variant "R1 and R2 of 1"

Each run uses all training images of MNIST and one seed; FID is of 10,000 samples. The default
5,000 steps take about two minutes. FID compares with the test images, which therefore influenced
the choice: the published values of the default may be better than on unseen images.
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
from gan.errors import RunError
from gan.evaluation.fid_callback import FIDCallback
from gan.latent import Latent
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import CONV_CLUSTERS, CONV_R1R2, Recipe
from gan.training.trainer import Trainer


def clustered(clusters: int, latent_size: int) -> Recipe:
    """The default with other numbers of clusters and latent dimensions."""
    return replace(CONV_CLUSTERS, clusters=clusters, latent=Latent(latent_size))


VARIANTS = {
    "default": CONV_CLUSTERS,
    "no clusters": CONV_R1R2,
    **{f"{k} clusters, 64 of noise": clustered(k, 64) for k in (20, 50, 100, 200, 400)},
    "R1 and R2 of 1": replace(CONV_CLUSTERS, penalty=ZeroCentered(1.0, every=8)),
    "R1 alone": replace(CONV_CLUSTERS, penalty=ZeroCentered(0.2, fake=False, every=8)),
    "learning rate 5e-4": replace(CONV_CLUSTERS, learning_rate=5e-4),
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
    name: str, steps: int, seed: int, images: np.ndarray, measure: FIDCallback
) -> tuple[str, str, str]:
    """Train a variant; returns its name, milliseconds of a step, and FID."""
    trainer, began = Trainer(VARIANTS[name], images, seed=seed), time.monotonic()
    with tqdm(desc=name, total=steps, unit="step", leave=False) as bar:
        trainer.fit(steps=steps, callbacks=[ProgressBar(bar)])
    milliseconds = 1000 * (time.monotonic() - began) / steps
    return name, f"{milliseconds:.1f}", f"{measure.measure(trainer):.2f}"


def main() -> int:
    args = arguments()
    names = args.variant or list(VARIANTS)
    if unknown := sorted(set(names) - set(VARIANTS)):
        raise RunError(
            f"--variant: expected some of {', '.join(VARIANTS)}, got {', '.join(unknown)}"
        )
    images, _ = load("mnist", "train", data_dir=args.data_dir, flat=False)
    test_images, _ = load("mnist", "test", data_dir=args.data_dir, flat=False)
    measure = FIDCallback(test_images, every=1)
    print(machine(), file=sys.stderr)
    rows = [row(name, args.steps, args.seed, images, measure) for name in names]
    print(render(("variant", "ms a step", f"FID after {args.steps:,} steps"), rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
