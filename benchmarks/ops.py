"""Each primitive of the CPU at the sizes of the recipes: NumPy alone, Numba's kernels, and PyTorch.

    python -m benchmarks.ops
    python -m benchmarks.ops --case adam_step_ --case tanh --rounds 40 --markdown

Microseconds are medians of all rounds; a ratio is the median of the rounds' own ratios, with its quartiles. The sides take
turns, each in a process of its own and with all cores (turns.py); the cases stand in primitive_sides.py.
"""

import argparse
import importlib.util
import statistics
import sys

from benchmarks.harness.contenders.primitives import CASES
from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import ratio, take_turns
from gan.commands.command_line import Parser, positive_int, run

NEEDS = {"numpy": "numpy", "numba": "numba", "pytorch": "torch"}  # each side's package


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--case", action="append", choices=CASES, metavar="C", help="may be given several times (default: all)")
    add("--rounds", type=positive_int, default=10, help="turns of each side (default: %(default)s)")
    add("--calls", type=positive_int, default=100, help="timed calls a turn (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def main():
    args = arguments()
    sides = [side for side, package in NEEDS.items() if importlib.util.find_spec(package)]
    ours = "numba" if "numba" in sides else "numpy"
    others = [side for side in sides if side != ours]
    print(f"{machine()}; {args.rounds} rounds of {args.calls} calls", file=sys.stderr)
    rows = []
    for case in args.case or CASES:
        times = take_turns(sides, (case,), args.rounds, args.calls, "benchmarks.harness.contenders.primitives")
        cells = [f"{1e3 * statistics.median(times[side]):.1f}" for side in sides]
        rows.append([case, *cells, *("{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[side], times[ours])) for side in others)])
    print(render(["primitive", *(f"{side}, us" for side in sides), *(f"{side} / {ours}" for side in others)], rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
