"""The recipe `points` on eight Gaussians: how many of them G draws, with and without a penalty.

    python -m benchmarks.points
    python -m benchmarks.points --seeds 4 --markdown

A Gaussian is found if more than LEAST of all points are within NEAR of its middle. Each row is a
run of the recipe's length; seconds are those of training, on this machine.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.data.points.patterns import GAUSSIAN_RADIUS, N_GAUSSIANS, on_circle, pattern
from gan.data.points.point_set import PointSet
from gan.recipe import Recipe
from gan.recipes import POINTS_DEFAULT, get_recipe
from gan.training.trainer import Trainer

N_DRAWN, SEED = 4000, 5
NEAR, LEAST = 0.08, 0.03  # four standard deviations of a Gaussian; a share of all points


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_count(parser, "--seeds", 2, "runs of each setting")
    add_markdown(parser)
    return parser.parse_args()


def found(points: np.ndarray) -> tuple[int, float]:
    """How many Gaussians the points (N, 2) have, and the share of points that are near one."""
    middles = GAUSSIAN_RADIUS * on_circle(2 * np.pi * np.arange(N_GAUSSIANS) / N_GAUSSIANS)
    distances = np.linalg.norm(points[:, np.newaxis] - middles, axis=2)
    is_near = distances.min(axis=1) < NEAR
    counts = np.bincount(distances.argmin(axis=1)[is_near], minlength=N_GAUSSIANS)
    return int((counts > LEAST * len(points)).sum()), float(is_near.mean())


def rows(recipe: Recipe, setting: str, n_seeds: int) -> Iterator[tuple[str, ...]]:
    """A row of the table for each seed."""
    data = PointSet(pattern("eight-gaussians"))
    for seed in range(n_seeds):
        trainer, began = Trainer(recipe, data, seed=seed), time.monotonic()
        trainer.fit()
        seconds = time.monotonic() - began
        drawn = trainer.sampler.generated(trainer.sampler.inputs(N_DRAWN, SEED))
        n, share = found(data.square.from_unit(drawn.reshape(-1, 2).astype(np.float64)))
        yield setting, str(seed), f"{n} of {N_GAUSSIANS}", f"{share:.2f}", f"{seconds:.0f}"


def main() -> int:
    args = arguments()
    print(machine(), file=sys.stderr)
    recipe = get_recipe(POINTS_DEFAULT)
    settings = {"the recipe's": recipe, "without penalty": replace(recipe, penalty=None)}
    table = [row for name, each in settings.items() for row in rows(each, name, args.seeds)]
    header = ["setting", "seed", "Gaussians found", "points near one", "s"]
    print(render(header, table, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
