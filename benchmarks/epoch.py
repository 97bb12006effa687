"""Whole epochs, with data, logging and pictures: against their steps alone, and against PyTorch's epochs.

    python -m benchmarks.epoch
    python -m benchmarks.epoch --recipe mlp-dropout --recipe two-layer --epochs 10 --markdown
    python -m benchmarks.epoch --data-dir some/folder

`ours` is a training as the command has it: the losses are read and checked every 50 steps. A picture and a line of the history
are written about 60 times in the epochs so far, weights and a checkpoint after each epoch, and the curves every 15 seconds. `steps` is as many
training steps, and nothing else. `eager` and `tuned` are PyTorch's steps (torch_steps.py) with a picture, a line and a
checkpoint an epoch (torch_epochs.py). Seconds of an epoch are medians of all rounds; a ratio is the median of the rounds' own
ratios, with its quartiles. The sides take turns of some epochs, each in a process of its own (turns.py). Where others take
turns for longer than 15 seconds, the curves are drawn once a turn: with short turns, more often than in a training.

Images are random bytes, as many as MNIST has; with --data-dir they are MNIST's own. The recipe unless told otherwise is the
one with the shortest epoch, in which all that is not a step weighs most.
"""

import argparse
import importlib.util
import statistics
import sys

from benchmarks.harness.epoch_contenders import FULL
from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import ratio, take_turns
from gan.commands.shared.command_line import Parser, positive_int, run
from gan.recipes import get_recipe
from gan.errors import RunError

PEERS = {"eager": ["eager"], "tuned": ["eager", "tuned"], "none": []}
SIDES = "benchmarks.harness.epoch_contenders"


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: mlp-dropout)")
    add("--rounds", type=positive_int, default=5, help="turns of each side (default: %(default)s)")
    add("--epochs", type=positive_int, default=3, help="epochs a turn (default: %(default)s)")
    add("--images", type=positive_int, default=FULL, help="images an epoch (default: %(default)s)")
    add("--data-dir", help="folder that holds MNIST's files (default: random bytes)")
    add("--peers", choices=PEERS, default="tuned", help="eager alone, tuned as well, or none (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def row(recipe, sides, times, epochs):
    """A recipe's line of the table."""
    seconds = [f"{statistics.median(times[side]) / 1e3 / epochs:.2f}" for side in sides]
    pairs = [("ours", "steps"), *((peer, "ours") for peer in sides[2:])]
    return [recipe, *seconds, *("{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[a], times[b])) for a, b in pairs)]


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or ["mlp-dropout"]]
    peers = PEERS[args.peers]
    if peers and importlib.util.find_spec("torch") is None:
        raise RunError("the peer is PyTorch, which is not installed: pip install -e '.[bench]'  (or give --peers none)")
    sides, rows = ["ours", "steps", *peers], []
    print(f"{machine()}; {args.rounds} rounds of {args.epochs} epochs of {args.images:,} images", file=sys.stderr)
    for recipe in recipes:
        what = (recipe, str(args.images), str(args.epochs), *([args.data_dir] if args.data_dir else []))
        rows.append(row(recipe, sides, take_turns(sides, what, args.rounds, 1, SIDES), args.epochs))
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", *(f"{side}, s" for side in sides), "ours / steps", *(f"{peer} / ours" for peer in peers)]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
