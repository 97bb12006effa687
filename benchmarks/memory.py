"""Memory of a training process: how much it takes, and whether it grows.

    python -m benchmarks.memory
    python -m benchmarks.memory --recipe dcgan --steps 500 --markdown
    python -m benchmarks.memory --recipe mlp-dropout --minutes 60 --data-dir some/folder

`peak` is the most that a process has held (ru_maxrss). `growth` is the resident set after its
steps (as `ps` reports it) less that after the first tenth of them. Both are in MiB. `ours`, `eager`
and `tuned` are the contenders of benchmarks/step.py, on 10,000 images: as bytes in ours (8 MiB), as
floats in PyTorch's (30 MiB), to which a DataLoader would convert each batch. `import` is what a
process holds that has imported the training, or PyTorch, and done nothing else. Values are medians
over interleaved rounds; a ratio of peaks is the median of the ratios of the rounds, with its
quartiles.

--minutes instead runs examples/train_mnist_gan.py, with its pictures and checkpoints, and reports
at even intervals what that process holds; with --data-dir on MNIST, else on the bundled sample.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.options import add_count, add_markdown, add_peers, add_recipes, recipe_names
from benchmarks.harness.processes import ROOT, peak_memory, resident_memory
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import require_peers
from benchmarks.harness.rounds import Contender, rotated
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_float, run
from gan.errors import RunError
from nn.arithmetic import ceil_div

PEERS = {"eager": ["eager"], "tuned": ["eager", "tuned"], "none": []}


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser)
    add_count(parser, "--rounds", 3, "processes of each contender")
    add_count(parser, "--steps", 200, "steps of each process")
    add_peers(parser, PEERS, "PyTorch eager, also tuned, or none")
    parser.add_argument(
        "--minutes", type=positive_float, help="watch a run of ours for this many minutes instead"
    )
    add_count(parser, "--looks", 12, "number of measurements of that run")
    parser.add_argument(
        "--data-dir",
        help="for --minutes: folder that contains MNIST's files (default: the bundled sample)",
    )
    add_markdown(parser)
    return parser.parse_args()


def measure(name: str, recipe: str, steps: int) -> tuple[float, float]:
    """(peak, growth) of a contender's process, in MiB."""
    with Contender(name, (recipe,)) as contender:
        contender.milliseconds(ceil_div(steps, 10))
        early = resident_memory(contender.process.pid)
        contender.milliseconds(steps)
        growth = resident_memory(contender.process.pid) - early
        contender.close_input()
        return peak_memory(contender.process), growth


def row(recipe: str, names: list[str], rounds: int, steps: int) -> list[str]:
    """A recipe's line: each contender's peak, each one's growth, and ratios of peaks to ours."""
    peaks: dict[str, list[float]] = {name: [] for name in names}
    growths: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds):
        for name in rotated(names, i):
            peak, growth = measure(name, recipe, steps)
            peaks[name].append(peak)
            growths[name].append(growth)
    cells = [f"{statistics.median(peaks[name]):.0f}" for name in names]
    cells += [f"{statistics.median(growths[name]):+.1f}" for name in names]
    return [recipe, *cells, *(ratio_cell(peaks[name], peaks["ours"]) for name in names[1:])]


def memory_after(code: str) -> float:
    """MiB that a process holds after running the code."""
    command = [sys.executable, "-c", f"{code}; print(flush=True); input()"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        held = resident_memory(process.pid)
        process.communicate("\n")
    return held


@contextmanager
def running(
    recipe: str, minutes: float, data_dir: str | None
) -> Iterator[tuple[subprocess.Popen, Path]]:
    """The process and the folder of a run, which ends with the block."""
    command = [sys.executable, "examples/train_mnist_gan.py"]
    command += ["--recipe", recipe, "--minutes", str(minutes), "--quiet"]
    if data_dir:
        command += ["--data-dir", str(Path(data_dir).resolve())]
    else:
        command += ["--dataset", "mnist-sample"]
    with TemporaryDirectory() as folder:
        process = subprocess.Popen([*command, "--out", f"{folder}/run"], cwd=ROOT)
        try:
            yield process, Path(folder, "run")
        finally:
            process.terminate()
            process.wait()


def watch(
    recipe: str, minutes: float, looks: int, data_dir: str | None
) -> Iterator[tuple[str, object, str, str]]:
    """Rows of a run in progress: minutes, epochs, MiB, and MiB more than in the first row."""
    began, first = time.monotonic(), None
    with running(recipe, minutes, data_dir) as (process, folder):
        for k in range(1, looks + 1):
            due = began + 60 * minutes * (k - 0.5) / looks
            time.sleep(max(0, due - time.monotonic()))
            if process.poll() is not None:
                raise RunError(
                    f"memory: expected a run of {minutes:g} minutes, it ended with status "
                    f"{process.returncode} before its time"
                )
            held = resident_memory(process.pid)
            first = held if first is None else first
            elapsed = f"{(time.monotonic() - began) / 60:.1f}"
            yield elapsed, latest_epoch(folder), f"{held:.0f}", f"{held - first:+.1f}"
        yield "peak", "", f"{peak_memory(process):.0f}", ""


def latest_epoch(folder: Path) -> int:
    """The epoch of the last line in the run's history.csv, or 0."""
    path = folder / "history.csv"
    *_, line = path.read_text().splitlines() if path.exists() else ("0",)
    return int(line.split(",")[0])


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe)
    print(machine(), file=sys.stderr)
    if args.minutes:
        for recipe in recipes:
            header = [f"{recipe}, minutes", "epochs", "held, MiB", "since the first, MiB"]
            rows = watch(recipe, args.minutes, args.looks, args.data_dir)
            print(render(header, rows, args.markdown))
        return 0
    names = ["ours", *PEERS[args.peers]]
    versions = require_peers(PEERS[args.peers])
    table = []
    for recipe in recipes:
        table.append(row(recipe, names, args.rounds, args.steps))
        print(f"{recipe}: done", file=sys.stderr)
    table.append(import_row(len(names)))
    header = ["recipe", *(f"{name}, peak" for name in names)]
    header += [*(f"{name}, growth" for name in names), *(f"{name} / ours" for name in names[1:])]
    print(render(header, table, args.markdown, versions))
    return 0


def import_row(n_contenders: int) -> list[str]:
    """The line of processes that only import."""
    cells = [f"{memory_after('import gan.training.trainer'):.0f}"]
    if n_contenders > 1:
        cells += [f"{memory_after('import torch'):.0f}"] * (n_contenders - 1)
    return ["import", *cells, *[""] * (2 * n_contenders - 1)]


if __name__ == "__main__":
    run(main)
