"""Memory of a training process: how much it takes, and whether that stays.

    python -m benchmarks.memory
    python -m benchmarks.memory --recipe dcgan --steps 500 --markdown
    python -m benchmarks.memory --recipe mlp-dropout --minutes 60 --data-dir some/folder

`peak` is the most that a process has held (ru_maxrss), `growth` what it holds after its steps less what it held after the
first tenth of them (the resident set, as `ps` tells it); all in MiB. `ours`, `eager` and `tuned` are the sides of
benchmarks/step.py, on 10,000 images: bytes in ours, 8 MiB, floats in PyTorch's, 30 MiB, as a DataLoader would make them of
each batch. `import` is what a process holds that has imported the training, or PyTorch, and done nothing. Figures are medians
of processes that take turns; a ratio of peaks is the median of the rounds' own ratios, with its quartiles.

--minutes runs examples/train_mnist_gan.py instead, with its pictures and checkpoints, and says at even intervals what that
process holds; with --data-dir on MNIST, else on the bundled sample.
"""

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import Side, ratio
from gan.commands.shared.command_line import Parser, positive_float, positive_int, run
from gan.recipes import DIGITS, get_recipe, recipes_for
from gan.errors import RunError

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"eager": ["eager"], "tuned": ["eager", "tuned"], "none": []}
KIB = 1024 if sys.platform == "darwin" else 1  # ru_maxrss counts bytes there, KiB elsewhere


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: all)")
    add("--rounds", type=positive_int, default=3, help="processes of each side (default: %(default)s)")
    add("--steps", type=positive_int, default=200, help="steps of each process (default: %(default)s)")
    add("--peers", choices=PEERS, default="tuned", help="eager alone, tuned as well, or none (default: %(default)s)")
    add("--minutes", type=positive_float, help="watch a whole training of ours for so long instead")
    add("--looks", type=positive_int, default=12, help="at that training, at even intervals (default: %(default)s)")
    add("--data-dir", help="for --minutes: folder that holds MNIST's files (default: the bundled sample)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def resident(pid):
    """MiB that a process holds."""
    return int(subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, check=True).stdout) / 1024


def peak(process):
    """MiB that a process held at most, or this one when it started it, if that is more; waits for its end."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss / KIB / 1024


def measured(name, recipe, steps):
    """(peak, growth) of a process of that side, in MiB."""
    with Side(name, (recipe,)) as side:
        side.turn(-(-steps // 10))
        early = resident(side.process.pid)
        side.turn(steps)
        growth = resident(side.process.pid) - early
        side.process.stdin.close()
        return peak(side.process), growth


def row(recipe, sides, rounds, steps):
    """A recipe's line: each side's peak, each side's growth, and the peers' peaks over ours."""
    seen = {side: [] for side in sides}
    for i in range(rounds):
        for side in sides[i % len(sides) :] + sides[: i % len(sides)]:
            seen[side].append(measured(side, recipe, steps))
    peaks, growths = ({side: [pair[k] for pair in pairs] for side, pairs in seen.items()} for k in (0, 1))
    cells = [f"{statistics.median(peaks[side]):.0f}" for side in sides]
    cells += [f"{statistics.median(growths[side]):+.1f}" for side in sides]
    return [recipe, *cells, *("{:.2f} ({:.2f}-{:.2f})".format(*ratio(peaks[side], peaks["ours"])) for side in sides[1:])]


def imported(code):
    """MiB that a process holds which has run the code."""
    command = [sys.executable, "-c", f"{code}; print(flush=True); input()"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        held = resident(process.pid)
        process.communicate("\n")
    return held


@contextmanager
def training(recipe, minutes, data_dir):
    """The process of a training by the command, and its folder for as long."""
    data = ["--data-dir", str(Path(data_dir).resolve())] if data_dir else ["--dataset", "mnist-sample"]
    words = ["--recipe", recipe, "--minutes", str(minutes), "--quiet", *data]
    with TemporaryDirectory() as folder:
        process = subprocess.Popen([sys.executable, "examples/train_mnist_gan.py", *words, "--out", f"{folder}/run"], cwd=ROOT)
        try:
            yield process, Path(folder, "run")
        finally:
            process.terminate()
            process.wait()


def watched(recipe, minutes, looks, data_dir):
    """Rows of a training as it goes on: minutes, epochs so far, MiB that it holds, and how much more than at the first look."""
    began, first = time.monotonic(), None
    with training(recipe, minutes, data_dir) as (process, folder):
        for k in range(1, looks + 1):
            time.sleep(max(0, began + 60 * minutes * (k - 0.5) / looks - time.monotonic()))
            if process.poll() is not None:
                raise RunError(f"memory: the training ended with status {process.returncode} before its time")
            now = resident(process.pid)
            first = now if first is None else first
            yield f"{(time.monotonic() - began) / 60:.1f}", latest_epoch(folder), f"{now:.0f}", f"{now - first:+.1f}"
        yield "peak", "", f"{peak(process):.0f}", ""


def latest_epoch(folder):
    """The epoch of the latest line in the run's history.csv, or 0."""
    path = folder / "history.csv"
    *_, line = path.read_text().splitlines() if path.exists() else ("0",)
    return int(line.split(",")[0])


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or recipes_for(DIGITS)]
    print(machine(), file=sys.stderr)
    if args.minutes:
        for recipe in recipes:
            header = [f"{recipe}, minutes", "epochs", "held, MiB", "since the first, MiB"]
            print(render(header, watched(recipe, args.minutes, args.looks, args.data_dir), args.markdown))
        return 0
    sides = ["ours", *PEERS[args.peers]]
    if args.peers != "none" and importlib.util.find_spec("torch") is None:
        raise RunError("the peer is PyTorch, which is not installed: pip install -e '.[bench]'  (or give --peers none)")
    rows = []
    for recipe in recipes:
        rows.append(row(recipe, sides, args.rounds, args.steps))
        print(f"{recipe}: done", file=sys.stderr)
    theirs = [f"{imported('import torch'):.0f}"] * (len(sides) - 1)
    blank = [""] * (2 * len(sides) - 1)
    rows.append(["import", f"{imported('import gan.training.trainer'):.0f}", *theirs, *blank])
    header = ["recipe", *(f"{side}, peak" for side in sides), *(f"{side}, growth" for side in sides)]
    print(render([*header, *(f"{side} / ours" for side in sides[1:])], rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
