"""One process with two threads against two processes with one thread each.

    python -m benchmarks.scaling_processes --keep scaling.json
    python -m benchmarks.scaling_processes --recipe dcgan --batch 512 --rounds 3 --keep scaling.json
    python -m benchmarks.scaling_processes --rounds 0 --keep scaling.json --markdown
    python -m benchmarks.scaling_processes --one-rank --keep ranks.json

Both contenders live at once and take turns, in rounds of about a second, so that each ratio is
taken between neighbours in time; an idle one sleeps. With --keep, rounds are added to those in the
file, one recipe and batch size at a time, and the table is of all of them. `throughput` is two
processes' divided by one's, the median over the rounds with its quartiles. The columns after it are
what a step sends, in each of two all-reduces, and how long these take while nothing else runs.

With --one-rank, what `python -m benchmarks.scaling_model` needs to know about each recipe is
measured in a few minutes: the step of one process of one thread, at several batch sizes, and what
it would send.
"""

from __future__ import annotations

import json
import statistics
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness.options import add_markdown, add_recipes, recipe_names
from benchmarks.harness.ranks import Ranks
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run, seed
from gan.recipes import RECIPES
from nn.serialization.files import atomic_write

SECONDS = 1.0  # of a measurement, about
RANK_SECONDS = 0.3  # of a measurement of one rank
RANK_IMAGES = [2, 16, 64, 256]
SIZES = [4**k for k in range(1, 13)]  # bytes, to 16 MiB
HEADER = [
    "recipe",
    "batch",
    "1 process, ms",
    "2 processes, ms",
    "throughput",
    "sent, KiB",
    "all-reduces, ms",
    "of a step, %",
]

RANK_HEADER = ["recipe", *(f"{n} images, ms" for n in RANK_IMAGES), "sent, KiB"]

Cell = dict[str, Any]  # "alone" and "together": ms in each round; "bytes", "reduce": of both sends


def measure(recipe: str, batch: int, rounds: int, cell: Cell) -> None:
    """Add rounds to a cell of the table."""
    with Ranks(1, recipe, batch) as one, Ranks(2, recipe, batch) as two:
        first = two.ask("steps 2")
        count = max(2, round(SECONDS * 1e3 / first))
        for k in range(rounds):
            turns = [("alone", one), ("together", two)]
            for name, ranks in turns if k % 2 else turns[::-1]:
                ranks.ask("steps 1")  # its caches are another's
                cell.setdefault(name, []).append(ranks.ask(f"steps {count}"))
        cell["bytes"] = two.ask("facts")
        cell["reduce"] = [two.ask(f"reduce {n}") for n in cell["bytes"]]


def measure_sizes(kept: dict[str, Any]) -> None:
    """The time of an all-reduce between two processes, by its size."""
    with Ranks(2, "two-layer", 64) as two:
        kept["sizes"] = {str(n): two.ask(f"reduce {n}") for n in SIZES}


def measure_rank(recipe: str, rounds: int, rank: Cell) -> None:
    """Add rounds of one process of one thread; each has steps of all kinds."""
    for n in RANK_IMAGES:
        with Ranks(1, recipe, n, threads=1) as one:
            cycle = one.ask("cycle")
            milliseconds = cycle * one.ask(f"steps {cycle}")
            count = cycle * max(1, round(RANK_SECONDS * 1e3 / milliseconds))
            rounds_of_it = rank.setdefault("images", {}).setdefault(str(n), [])
            rounds_of_it += [one.ask(f"steps {count}") for _ in range(rounds)]
            rank["bytes"] = one.ask("facts")


def rank_row(recipe: str, rank: Cell) -> list[object]:
    """A line of the table of one rank."""
    times = [f"{statistics.median(rank['images'][str(n)]):.3f}" for n in RANK_IMAGES]
    return [f"`{recipe}`", *times, sent(rank)]


def sent(cell: Cell) -> str:
    """What a step sends."""
    return " + ".join(f"{n / 1024:,.0f}" for n in cell["bytes"])


def row(recipe: str, batch: int, cell: Cell) -> list[object]:
    """A line of the table."""
    alone, together = cell["alone"], cell["together"]
    step, reduce = statistics.median(together), sum(cell["reduce"])
    return [
        f"`{recipe}`",
        batch,
        f"{statistics.median(alone):.2f}",
        f"{step:.2f}",
        ratio_cell(alone, together),
        sent(cell),
        f"{reduce:.2f}",
        f"{100 * reduce / step:.1f}",
    ]


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser, "dcgan and conv-clusters; with --one-rank, all")
    parser.add_argument("--one-rank", action="store_true", help="measure one process of one thread")
    parser.add_argument(
        "--batch",
        action="append",
        type=positive_int,
        metavar="N",
        help="whole batch, may be given several times (default: 64 and 512)",
    )
    parser.add_argument(
        "--rounds",
        type=seed,
        default=5,
        metavar="N",
        help="measurements of each contender to add (default: 5)",
    )
    parser.add_argument("--keep", metavar="FILE", help="add the rounds to those in this .json")
    add_markdown(parser)
    return parser.parse_args()


def keep(path: Path | None, kept: dict[str, Any]) -> None:
    """Write what was measured."""
    if path is not None:
        with atomic_write(path) as file:
            file.write(json.dumps(kept, indent=1).encode())


def one_rank(args: Namespace, path: Path | None, ranks: dict[str, Cell], kept: Cell) -> None:
    """Measure one process of each recipe, and print the table."""
    for recipe in recipe_names(args.recipe, RECIPES) if args.rounds else []:
        measure_rank(recipe, args.rounds, ranks.setdefault(recipe, {}))
        keep(path, kept)
        print(f"{recipe}: done", file=sys.stderr)
    rows = [rank_row(recipe, rank) for recipe, rank in ranks.items()]
    print(render(RANK_HEADER, rows, args.markdown))


def main() -> int:
    args = arguments()
    path = Path(args.keep) if args.keep else None
    kept: dict[str, Any] = {"cells": {}}
    if path is not None and path.exists():
        kept = json.loads(path.read_text())
    print(f"{machine()}; {args.rounds} rounds", file=sys.stderr)
    if args.one_rank:
        one_rank(args, path, kept.setdefault("ranks", {}), kept)
        return 0
    for recipe in recipe_names(args.recipe, ["conv-clusters", "dcgan"]) if args.rounds else []:
        for batch in args.batch or [64, 512]:
            measure(recipe, batch, args.rounds, kept["cells"].setdefault(f"{recipe} {batch}", {}))
            if "sizes" not in kept:
                measure_sizes(kept)
            keep(path, kept)
            print(f"{recipe}, batch {batch}: done", file=sys.stderr)
    cells = {tuple(name.split()): cell for name, cell in kept["cells"].items()}
    rows = [row(name, int(batch), cell) for (name, batch), cell in cells.items()]
    print(render(HEADER, rows, args.markdown))
    sizes = [[f"{int(n):,}", f"{ms:.4f}"] for n, ms in kept.get("sizes", {}).items()]
    print("\n" + render(["bytes", "all-reduce, ms"], sizes, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
