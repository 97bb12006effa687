"""A captured training step of each recipe, compared with an uncaptured one.

    python -m benchmarks.capture
    python -m benchmarks.capture --recipe mlp-dropout --check 500 --batch-size 8
    python -m benchmarks.capture --recipe conv-clusters --profile

Times are medians over all rounds, in milliseconds, and a ratio is the median of the ratios of the
rounds, with its quartiles; the contenders run in interleaved rounds (harness/rounds.py). With
--check, no time is taken: every byte that training has changed after that many steps, with and
without capture, is compared, and the exit status is 1 if one differs. With --profile, the time of
each primitive of a replayed step is printed beside that of its matrix products alone
(harness/contenders/profiled.py).
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace

from benchmarks.harness.contenders.captured import NAMES, difference
from benchmarks.harness.options import add_count, add_markdown, add_recipes, recipe_names
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run

CONTENDERS = "benchmarks.harness.contenders.captured"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser)
    add_count(parser, "--rounds", 20, "measurements of each contender")
    add_count(parser, "--steps", 20, "timed steps in each measurement")
    parser.add_argument(
        "--check", type=positive_int, metavar="N", help="compare the bytes after N steps instead"
    )
    parser.add_argument(
        "--batch-size", type=positive_int, metavar="N", help="of --check (default: the recipe's)"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="print where the time of a replay goes instead",
    )
    add_markdown(parser)
    return parser.parse_args()


def print_profile(recipe: str, replays: int, markdown: bool) -> None:
    """Print the profile of each program of a recipe's step: by name, then each primitive."""
    from benchmarks.harness.contenders.profiled import by_name, profiles

    for steps, (lines, total, threads) in profiles(recipe, replays):
        time, floor = sum(x.time for x in lines), sum(x.floor for x in lines)
        print(
            f"\n{steps}: {total:.0f} us on {threads} threads. Each works for {time / threads:.0f}"
        )
        print(f"us; matrix products alone would take {floor / threads:.0f} us.")
        for title, some in (("calls", by_name(lines)), ("arrays", lines)):
            rows = [
                (x.name, x.arrays, x.tasks, f"{x.time:.1f}", f"{x.floor:.1f}" if x.floor else "")
                for x in some
            ]
            print(f"\n{render(['primitive', title, 'tasks', 'us', 'floor, us'], rows, markdown)}")


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe)
    if args.check:
        differs = {name: difference(name, args.check, args.batch_size) for name in recipes}
        for name, what in differs.items():
            print(f"{name}: {what or 'the same bytes'}")
        return int(any(differs.values()))
    print(f"{machine()}; {args.rounds} rounds of {args.steps} steps", file=sys.stderr)
    if args.profile:
        for recipe in recipes:
            print_profile(recipe, args.rounds * args.steps, args.markdown)
        return 0
    rows = []
    for recipe in recipes:
        times = interleaved(NAMES, (recipe,), args.rounds, args.steps, CONTENDERS)
        cells = [f"{statistics.median(times[name]):.2f}" for name in NAMES]
        rows.append([recipe, *cells, ratio_cell(times["captured"], times["uncaptured"])])
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", *(f"{name}, ms" for name in NAMES), "captured / uncaptured"]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
