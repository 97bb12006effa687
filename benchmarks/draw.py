"""10,000 images from each generator of Dense layers: ours, ours without Numba, and PyTorch's.

    python -m benchmarks.draw
    python -m benchmarks.draw --recipe dcgan --count 1000 --rounds 3 --markdown

From the seed to float images in [0, 1] on the host: noise, the network in evaluation mode,
scaling. The weights are initial ones, which does not change the time. Times are medians over all
rounds, in seconds. A ratio is the median of the ratios of the rounds, with its quartiles. The
contenders run in interleaved rounds, each in its own process (harness/rounds.py).
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace

from benchmarks.harness.options import add_count, add_markdown, add_recipes, recipe_names
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import has_torch, versions
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.recipes import DIGITS, recipes_for

CONTENDERS = "benchmarks.harness.contenders.samples"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser, "those of Dense layers")
    add_count(parser, "--count", 10_000, "images to draw")
    add_count(parser, "--rounds", 7, "measurements of each contender")
    add_markdown(parser)
    return parser.parse_args()


def recipes_of_dense_layers() -> list[str]:
    """The recipes of digits whose generators return vectors."""
    return [
        name
        for name, recipe in recipes_for(DIGITS).items()
        if recipe.generator().output_shape((recipe.n_in,)) == (784,)
    ]


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe, recipes_of_dense_layers())
    names = ["ours", "numpy", *(["pytorch"] if has_torch() else [])]
    print(f"{machine()}; {args.rounds} rounds of {args.count:,} images", file=sys.stderr)
    rows = []
    for recipe in recipes:
        times = interleaved(names, (recipe, str(args.count)), args.rounds, 1, CONTENDERS)
        seconds = [f"{statistics.median(times[name]) / 1e3:.3f}" for name in names]
        ratios = [ratio_cell(times[name], times["ours"]) for name in names[1:]]
        rows.append([recipe, *seconds, *ratios])
    header = ["recipe", *(f"{name}, s" for name in names)]
    header += [f"{name} / ours" for name in names[1:]]
    print(render(header, rows, args.markdown, versions("torch")))
    return 0


if __name__ == "__main__":
    run(main)
