"""Each primitive of the CPU at the sizes of the recipes: NumPy alone, Numba's kernels, PyTorch.

    python -m benchmarks.ops
    python -m benchmarks.ops --case adam_step_ --case tanh --rounds 40 --markdown

Times are medians over all rounds, in microseconds. A ratio is the median of the ratios of the
rounds, with its quartiles. The contenders run in interleaved rounds, each in its own process and
on all cores (harness/rounds.py); harness/contenders/primitives.py defines the cases.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from argparse import Namespace

from benchmarks.harness.contenders.primitives import CASES
from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import versions
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run

PACKAGES = {"numpy": "numpy", "numba": "numba", "pytorch": "torch"}  # that a contender needs
CONTENDERS = "benchmarks.harness.contenders.primitives"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--case",
        action="append",
        choices=CASES,
        metavar="C",
        help="may be given several times (default: all)",
    )
    add_count(parser, "--rounds", 10, "measurements of each contender")
    add_count(parser, "--calls", 100, "timed calls in each measurement")
    add_markdown(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    names = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]
    ours = "numba" if "numba" in names else "numpy"
    others = [name for name in names if name != ours]
    print(f"{machine()}; {args.rounds} rounds of {args.calls} calls", file=sys.stderr)
    rows = []
    for case in args.case or CASES:
        times = interleaved(names, (case,), args.rounds, args.calls, CONTENDERS)
        microseconds = [f"{1e3 * statistics.median(times[name]):.1f}" for name in names]
        ratios = [ratio_cell(times[name], times[ours]) for name in others]
        rows.append([case, *microseconds, *ratios])
    header = ["primitive", *(f"{name}, us" for name in names)]
    header += [f"{name} / {ours}" for name in others]
    print(render(header, rows, args.markdown, versions("torch")))
    return 0


if __name__ == "__main__":
    run(main)
