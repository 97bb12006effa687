"""Train with one process and with two, each with several seeds, and compare their samples.

    python -m benchmarks.several_quality --out runs
    python -m benchmarks.several_quality --out runs --seed 0 --seed 1 --markdown
    python -m benchmarks.several_quality --out runs --recipe dcgan --processes 4

The runs of seed S are the folders one-S and N-S in --out, with "two" for an N of 2. A folder that
is there is not trained again, so that a run may also come from `byhand train --seed S --out ...`,
alone or by mpiexec; it is evaluated once, on all of MNIST. Below the runs are their means, with the
standard deviation over the seeds, and the difference of the means.
"""

from __future__ import annotations

import csv
import json
import shutil
import statistics
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness.options import add_markdown
from benchmarks.harness.processes import ROOT
from benchmarks.harness.ranks import mpiexec
from benchmarks.harness.tables import machine, render
from benchmarks.quality import COLUMNS, MESSAGES, call, cells
from gan.commands.shared.command_line import Parser, positive_int, run, seed
from gan.errors import RunError
from gan.recipes import DEFAULT, get_recipe

SEEDS = [0, 1, 2]
NAMES = {1: "one", 2: "two"}
HEADER = ["processes", "seed", "minutes", *COLUMNS.values()]

Metrics = dict[str, float]


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs"), help="folder of the runs (default: %(default)s)")
    add("--recipe", default=DEFAULT, metavar="R", help="what is trained (default: %(default)s)")
    add("--seed", action="append", type=seed, help="may be given several times (default: 0, 1, 2)")
    add(
        "--processes",
        type=positive_int,
        default=2,
        metavar="N",
        help="how many are compared with one (default: %(default)s)",
    )
    add("--data-dir", help="folder that contains the data files, or receives them (default: data/)")
    add_markdown(parser)
    return parser.parse_args()


def complete(folder: Path, n: int, number: int, args: Namespace) -> None:
    """Train with n processes, and evaluate, as far as that is not done yet."""
    data = ["--data-dir", args.data_dir] if args.data_dir else []
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        launch = [mpiexec(), "-n", str(n)] if n > 1 else []
        program = [sys.executable, str(ROOT / "examples" / "train_mnist_gan.py")]
        words = ["--recipe", args.recipe, "--seed", str(number), "--out", str(unfinished), *data]
        if subprocess.run(launch + program + words, stdout=MESSAGES).returncode:
            raise RunError(
                f"{folder}: the run did not finish; those before it are complete, and another call "
                "continues after them"
            )
        unfinished.rename(folder)
    check(folder, n, number)
    if not (folder / "metrics.json").exists():
        weights, metrics = folder / "weights.npz", folder / "metrics.json"
        call("evaluate.py", "--weights", weights, "--out", metrics, *data)


def check(folder: Path, n: int, number: int) -> None:
    """Raise `RunError` unless a folder has a run of n processes with this seed."""
    config = json.loads((folder / "config.json").read_text())
    got = config.get("processes", 1), config["seed"]
    if got != (n, number):
        raise RunError(
            f"{folder}: expected a run of {n} processes with seed {number}, got one of {got[0]} "
            f"with seed {got[1]}; name another folder with --out"
        )


def row(folder: Path, n: int, number: int) -> tuple[list[Any], Metrics]:
    """The line of a run, and its metrics."""
    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    with open(folder / "history.csv", newline="") as file:
        minutes = sum(float(record["seconds"]) for record in csv.DictReader(file)) / 60
    return [n, number, f"{minutes:.1f}", *cells(metrics)], metrics


def below(measured: dict[int, list[Metrics]]) -> list[list[Any]]:
    """The lines of the means, and of their difference."""
    keys = [key for key in COLUMNS if all(key in m for runs in measured.values() for m in runs)]
    of = {n: {key: [m[key] for m in runs] for key in keys} for n, runs in measured.items()}
    means = {n: {key: statistics.fmean(v) for key, v in of[n].items()} for n in of}
    lines = []
    for n, runs in measured.items():
        lines.append([n, "mean", "", *cells(means[n])])
        if len(runs) > 1:
            spreads = {key: statistics.stdev(values) for key, values in of[n].items()}
            lines.append([n, "deviation", "", *cells(spreads)])
    one, other = means.values()
    lines.append(["difference", "", "", *cells({key: other[key] - one[key] for key in keys})])
    return lines


def main() -> int:
    args = arguments()
    args.recipe = get_recipe(args.recipe).name
    if args.processes == 1:
        raise RunError("--processes: expected more than one, to compare with one, got 1")
    print(machine(), file=sys.stderr)
    rows: list[list[Any]] = []
    measured: dict[int, list[Metrics]] = {1: [], args.processes: []}
    for number in args.seed or SEEDS:
        for n in measured:
            complete(args.out / f"{NAMES.get(n, n)}-{number}", n, number, args)
    for n in measured:
        for number in args.seed or SEEDS:
            line, metrics = row(args.out / f"{NAMES.get(n, n)}-{number}", n, number)
            rows.append(line)
            measured[n].append(metrics)
    print(render(HEADER, rows + below(measured), args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
