"""One training step of each recipe, against PyTorch on the same recipe and against the floor.

    python -m benchmarks.step
    python -m benchmarks.step --recipe two-layer --recipe mlp-dropout --rounds 60 --markdown

Milliseconds are medians of all rounds; a ratio is the median of the rounds' own ratios, with its quartiles. `eager` is
PyTorch as tutorials write it, `tuned` what it offers a careful user (see torch_steps.py for both), `floor` the matrix
products of our step alone, in the same order on the same buffers (floor.py). `ours` has Numba's kernels where Numba is
installed, `numpy` has not. The sides take turns, each in a process of
its own and with all cores (turns.py). Images are random bytes, the same for all.
"""

import argparse
import importlib.util
import statistics
import sys
from importlib.metadata import version

from benchmarks.tables import machine, render
from benchmarks.turns import ratio, take_turns
from gan.command_line import Parser, positive_int, run
from gan.recipes import RECIPES, get_recipe
from nn import RunError

PEERS = {"eager": ["eager"], "tuned": ["eager", "tuned"], "none": []}


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: all)")
    add("--rounds", type=positive_int, default=40, help="turns of each side (default: %(default)s)")
    add("--steps", type=positive_int, default=10, help="timed steps a turn (default: %(default)s)")
    add("--peers", choices=PEERS, default="tuned", help="eager alone, tuned as well, or none (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def row(recipe, peers, times):
    """A recipe's line of the table."""
    cells = [recipe, *(f"{statistics.median(times[side]):.2f}" for side in ["ours", "numpy", *peers])]
    cells += ["{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[peer], times["ours"])) for peer in peers]
    return [*cells, "{:.2f} ({:.2f}-{:.2f})".format(*ratio(times["ours"], times["floor"]))]


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or RECIPES]
    peers, peer_version = PEERS[args.peers], "no peer"
    if peers:
        if importlib.util.find_spec("torch") is None:
            raise RunError("the peer is PyTorch, which is not installed: pip install -e '.[bench]'  (or give --peers none)")
        peer_version = f"PyTorch {version('torch')}"
    print(f"{machine()}, {peer_version}; {args.rounds} rounds of {args.steps} steps", file=sys.stderr)
    header = ["recipe", "ours, ms", "numpy, ms", *(f"{peer}, ms" for peer in peers)]
    header += [*(f"{peer} / ours" for peer in peers), "ours / floor"]
    rows = []
    for recipe in recipes:
        rows.append(row(recipe, peers, take_turns(["ours", "numpy", "floor", *peers], recipe, args.rounds, args.steps)))
        print(f"{recipe}: done", file=sys.stderr)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
