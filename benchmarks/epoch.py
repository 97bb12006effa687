"""Whole epochs, with data, logging and pictures, compared with bare steps and with PyTorch.

    python -m benchmarks.epoch
    python -m benchmarks.epoch --recipe mlp-dropout --recipe two-layer --epochs 10 --markdown
    python -m benchmarks.epoch --data-dir some/folder

`ours` is a run of examples/train_mnist_gan.py. It reads and checks the losses every 50 steps. It
writes a picture and a line of the history some 60 times, the weights and a checkpoint after each
epoch. The curves are drawn every 15 seconds. `steps` is the same number of training steps and
nothing else. `eager` and `tuned` are PyTorch's steps with a picture, a line and a checkpoint after
each epoch (harness/pytorch/epochs.py).

Times of an epoch are medians over all rounds, in seconds. A ratio is the median of the ratios of
the rounds, with its quartiles. The contenders run in interleaved rounds of some epochs, each in
its own process (harness/rounds.py). If a round takes longer than 15 seconds, each measurement of
`ours` draws the curves at least once, which is more often than in a real run.

Images are random bytes, as many as in MNIST; with --data-dir, they are MNIST's. The default recipe
is the one with the shortest epoch, in which everything beside the steps weighs most.
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace

from benchmarks.harness.contenders.epochs import FULL
from benchmarks.harness.options import add_count, add_markdown, add_peers, add_recipes, recipe_names
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import require_peers
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run

PEERS = {"eager": ["eager"], "tuned": ["eager", "tuned"], "none": []}
CONTENDERS = "benchmarks.harness.contenders.epochs"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser, "mlp-dropout")
    add_count(parser, "--rounds", 5, "measurements of each contender")
    add_count(parser, "--epochs", 3, "epochs in each measurement")
    add_count(parser, "--images", FULL, "images in an epoch")
    parser.add_argument(
        "--data-dir", help="folder that contains MNIST's files (default: random bytes)"
    )
    add_peers(parser, PEERS, "PyTorch eager, also tuned, or none")
    add_markdown(parser)
    return parser.parse_args()


def row(recipe: str, names: list[str], times: dict[str, list[float]], epochs: int) -> list[str]:
    """A recipe's line of the table."""
    seconds = [f"{statistics.median(times[name]) / 1e3 / epochs:.2f}" for name in names]
    pairs = [("ours", "steps"), *((peer, "ours") for peer in names[2:])]
    return [recipe, *seconds, *(ratio_cell(times[a], times[b]) for a, b in pairs)]


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe, ["mlp-dropout"])
    peers = PEERS[args.peers]
    versions = require_peers(peers)
    names, rows = ["ours", "steps", *peers], []
    print(
        f"{machine()}; {args.rounds} rounds of {args.epochs} epochs of {args.images:,} images",
        file=sys.stderr,
    )
    data_dir = [args.data_dir] if args.data_dir else []
    for recipe in recipes:
        settings = (recipe, str(args.images), str(args.epochs), *data_dir)
        times = interleaved(names, settings, args.rounds, 1, CONTENDERS)
        rows.append(row(recipe, names, times, args.epochs))
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", *(f"{name}, s" for name in names), "ours / steps"]
    header += [f"{peer} / ours" for peer in peers]
    print(render(header, rows, args.markdown, versions))
    return 0


if __name__ == "__main__":
    run(main)
