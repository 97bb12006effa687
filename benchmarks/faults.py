"""Faults that a training run and its readers must survive, brought about one after another, and counted.

    python -m benchmarks.faults
    python -m benchmarks.faults --only kills --kills 20

Each training is examples/train_mnist_gan.py in a process of its own. One that was killed, or stopped by its disk, survives if
`--resume` then ends with the bytes of one that nothing happened to; a file that was changed, if its reader gives what was
written or its documented error, within a second of the processor and 200 MB. Exit status 1 if anything was lost.
"""

import argparse
import sys
import time

from benchmarks.harness.faults import files as fault_files
from benchmarks.harness.faults import runs as fault_runs
from benchmarks.harness.tables import machine, render
from gan.commands.command_line import Parser, positive_int, run


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--kills", type=positive_int, default=100, help="trainings killed (default: %(default)s)")
    add("--times", type=positive_int, default=10, help="how often each of the other faults happens (default: %(default)s)")
    add("--files", type=positive_int, default=10_000, help="files changed, of each kind (default: %(default)s)")
    add("--trainings", type=positive_int, default=10, help="trainings at once (default: %(default)s)")
    add("--only", choices=FAULTS, nargs="+", metavar="FAULT", help=f"of {', '.join(FAULTS)} (default: all)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


FAULTS = {  # name -> (what is said of it, what brings it about, the argument that says how often)
    "kills": ("kill -9 at a random moment", fault_runs.kills, "kills"),
    "disk": ("disk full in a checkpoint", fault_runs.full_disks, "times"),
    "folders": ("folder or clock changed", fault_runs.folders, "times"),
    "weights": ("changed weights and checkpoints", fault_files.weights, "files"),
    "data": ("changed data files", fault_files.data, "files"),
    "numbers": ("NaN, and out of memory", fault_runs.numbers, "times"),
    "together": ("trainings at once, one empty cache", fault_runs.together, "trainings"),
}


def main():
    args, rows = arguments(), []
    print(machine())
    for name in args.only or FAULTS:
        what, fault, count = FAULTS[name]
        began = time.monotonic()
        tried, survived, remark = fault_runs.in_a_folder(fault, getattr(args, count))
        rows.append((what, f"{tried:,}", f"{survived:,}", f"{tried - survived:,}", f"{time.monotonic() - began:.0f}", remark))
        print(f"{what}: {survived:,} of {tried:,}; {remark}", file=sys.stderr, flush=True)
    print(render(("fault", "tried", "survived", "lost", "seconds", "remark"), rows, args.markdown))
    return int(any(row[3] != "0" for row in rows))


if __name__ == "__main__":
    run(main)
