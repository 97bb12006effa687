"""Each convolution of a recipe, pass by pass: ours, PyTorch's, and the bare matrix product.

    python -m benchmarks.conv
    python -m benchmarks.conv --recipe dcgan --rounds 40 --markdown

Times are medians over all rounds, in milliseconds; a ratio is the median of the ratios of the
rounds. `product` is one NumPy product of the size that im2col gives the pass: Y = X W^T, X = Y W or
dW = dY^T X in the notation of nn/ops/numpy/conv.py. The contenders run in interleaved rounds, each
in its own process (harness/rounds.py).
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace

from benchmarks.harness.contenders.convolutions import PASSES, convolutions
from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.ratios import ratio
from benchmarks.harness.requirements import has_torch, versions
from benchmarks.harness.rounds import interleaved_steps
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError
from gan.recipes import get_recipe

CONTENDERS = "benchmarks.harness.contenders.convolutions"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--recipe", default="dcgan", help="a recipe with convolutions (default: %(default)s)"
    )
    add_count(parser, "--rounds", 20, "measurements of each contender")
    add_count(parser, "--repetitions", 5, "timed calls in each measurement")
    add_markdown(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    recipe = get_recipe(args.recipe)
    layers = [name for name, _, _ in convolutions(recipe)]
    if not layers:
        raise RunError(
            f"recipe {recipe.name}: expected one with convolutions, it has none; try --recipe dcgan"
        )
    names = ["ours", "product", *(["torch"] if has_torch() else [])]
    print(
        f"{machine()}; batches of {recipe.batch_size}, {args.rounds} rounds of "
        f"{args.repetitions} calls",
        file=sys.stderr,
    )
    n_steps = len(layers) * len(PASSES)
    times = interleaved_steps(
        names, (recipe.name,), n_steps, args.rounds, args.repetitions, CONTENDERS
    )
    rows = []
    for index in range(n_steps):
        layer, number = divmod(index, len(PASSES))
        here = {name: times[name][index] for name in names}
        cells = [f"{statistics.median(here[name]):.2f}" for name in names]
        cells += [f"{ratio(here[name], here['ours'])[0]:.2f}" for name in names[1:]]
        rows.append(["" if number else layers[layer], PASSES[number], *cells])
    header = ["layer", "pass", *(f"{name}, ms" for name in names)]
    header += [f"{name} / ours" for name in names[1:]]
    print(render(header, rows, args.markdown, versions("torch")))
    return 0


if __name__ == "__main__":
    run(main)
