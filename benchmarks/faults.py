"""Cause faults that a run and the readers of its files must survive, and count the losses.

    python -m benchmarks.faults
    python -m benchmarks.faults --only kills --kills 20

Each run is examples/train_mnist_gan.py in its own process. A run that was killed, or stopped by a
full disk, survives if `--resume` then ends with the same bytes as an undisturbed run. A corrupted
file survives if its reader returns what was written or raises its documented error, within a second
of processor time and 200 MB. Exit status 1 if anything was lost.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.harness.faults import files, folders, numbers, shared_cache, stops
from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run


class Fault(NamedTuple):
    """A fault.

    label : for the table
    cause : given a folder and a number of attempts, returns (tried, survived, remark)
    option : the option that says how often
    """

    label: str
    cause: Callable[[str, int], tuple[int, int, str]]
    option: str


FAULTS = {
    "kills": Fault("kill -9 at a random moment", stops.kills, "kills"),
    "disk": Fault("disk full in a checkpoint", stops.full_disks, "times"),
    "folders": Fault("folder or clock changed", folders.folders, "times"),
    "weights": Fault("changed weights and checkpoints", files.weights, "files"),
    "data": Fault("changed data files", files.data, "files"),
    "numbers": Fault("NaN, and out of memory", numbers.numbers, "times"),
    "together": Fault("runs at once, one empty cache", shared_cache.together, "trainings"),
}


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_count(parser, "--kills", 100, "runs that are killed")
    add_count(parser, "--times", 10, "how often to cause each of the other faults of runs")
    add_count(parser, "--files", 10_000, "files of each kind to corrupt")
    add_count(parser, "--trainings", 10, "runs that start at once")
    parser.add_argument(
        "--only",
        choices=FAULTS,
        nargs="+",
        metavar="FAULT",
        help=f"of {', '.join(FAULTS)} (default: all)",
    )
    add_markdown(parser)
    return parser.parse_args()


def row(fault: Fault, count: int) -> tuple[str, ...]:
    """Cause a fault; returns its line of the table."""
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        tried, survived, remark = fault.cause(folder, count)
    seconds = f"{time.monotonic() - began:.0f}"
    print(f"{fault.label}: {survived:,} of {tried:,}; {remark}", file=sys.stderr, flush=True)
    return fault.label, f"{tried:,}", f"{survived:,}", f"{tried - survived:,}", seconds, remark


def main() -> int:
    args = arguments()
    print(machine())
    faults = [FAULTS[name] for name in args.only or FAULTS]
    rows = [row(fault, getattr(args, fault.option)) for fault in faults]
    print(render(("fault", "tried", "survived", "lost", "seconds", "remark"), rows, args.markdown))
    return int(any(lost != "0" for _, _, _, lost, _, _ in rows))


if __name__ == "__main__":
    run(main)
