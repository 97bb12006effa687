"""Train each recipe to its length and evaluate its samples: the table of sample quality.

    python -m benchmarks.quality --out quality
    python -m benchmarks.quality --out quality --recipe dcgan --recipe two-layer --seed 1 --markdown
    python -m benchmarks.quality --out quality --recipe conv-clusters --dataset mnist-sample

Runs train_mnist_gan.py, evaluate.py and predict.py for each recipe and seed, into its own folder
in --out. The images in its digits.png are the first 16 of seed 0, not selected. An existing run is
not repeated, so the table grows from call to call; it contains all runs in --out. All runs are
evaluated on all of MNIST, whatever they were trained on. All recipes take hours; the table says
how many minutes each took.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness.options import add_markdown, add_recipes, recipe_names
from benchmarks.harness.processes import ROOT
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_float, run, seed
from gan.errors import RunError
from gan.evaluation.metrics import ROWS
from gan.recipes import DIGITS, recipes_for

COLUMNS = {  # of the metrics, by their keys
    "fid": "FID",
    "mnist_score": "MNIST score",
    "precision": "precision",
    "recall": "recall",
    "digits_drawn": "digits",
    "kl_to_uniform": "KL",
    "unsure": "unsure",
    "recognised": "recognised",
    "parzen_log_likelihood": "Parzen",
}
HEADER = ("recipe", "images", "seed", "minutes", *COLUMNS.values())
MESSAGES = 2  # standard error, where the examples print, so that the table stands alone


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        default=Path("quality"),
        help="folder of the runs (default: %(default)s)",
    )
    add_recipes(parser)
    add("--seed", action="append", type=seed, help="may be given several times (default: 0)")
    add(
        "--minutes",
        type=positive_float,
        help="train for this many minutes (default: the recipe's length)",
    )
    add(
        "--dataset",
        default="mnist",
        choices=("mnist", "mnist-sample"),
        help="what to train on (default: %(default)s)",
    )
    add("--data-dir", help="folder that contains the data files, or receives them (default: data/)")
    add_markdown(parser)
    return parser.parse_args()


def call(example: str, *words: object) -> None:
    """Run one of the examples; `RunError` if it fails."""
    command = [sys.executable, *map(str, [ROOT / "examples" / example, *words])]
    if subprocess.run(command, stdout=MESSAGES).returncode:
        raise RunError(
            f"{example} did not finish; the runs before it are complete, and another call "
            "continues after them"
        )


def complete(folder: Path, recipe: str, seed: int, args: Namespace) -> None:
    """Train, evaluate and sample one run, as far as that is not done yet."""
    data = ["--data-dir", args.data_dir] if args.data_dir else []
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        words = ["--recipe", recipe, "--seed", seed, "--dataset", args.dataset]
        words += ["--out", unfinished]
        words += ["--minutes", args.minutes] if args.minutes else []
        words += data if args.dataset == "mnist" else []  # the sample is bundled
        call("train_mnist_gan.py", *words)
        unfinished.rename(folder)
    weights, metrics, digits = (
        folder / name for name in ("weights.npz", "metrics.json", "digits.png")
    )
    if not metrics.exists():
        call("evaluate.py", "--weights", weights, "--dataset", "mnist", "--out", metrics, *data)
    if not digits.exists():
        first = ("--count", 16, "--seed", 0)
        call("predict.py", "--weights", weights, "--out", digits, *first)


def row(folder: Path) -> tuple[list[Any], dict[str, Any]]:
    """The line of an evaluated run, and the metrics of the training images."""
    report = json.loads((folder / "metrics.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    with open(folder / "history.csv", newline="") as file:
        minutes = sum(float(record["seconds"]) for record in csv.DictReader(file)) / 60
    run_cells = [config["recipe"], f"{config['images']:,}", config["seed"], f"{minutes:.1f}"]
    return [*run_cells, *cells(report["metrics"])], report["floor"]


def cells(metrics: dict[str, Any]) -> list[str]:
    formats = {key: form for key, _, form, _ in ROWS}
    return [formats[key].format(metrics[key]) if key in metrics else "" for key in COLUMNS]


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe)
    print(machine(), file=sys.stderr)
    variant = f"-{args.dataset}" if args.dataset != "mnist" else ""
    if args.minutes:
        variant += f"-{args.minutes:g}-minutes"
    for number in args.seed or [0]:
        for recipe in recipes:
            complete(args.out / f"{recipe}-{number}{variant}", recipe, number, args)
    rows: list[list[Any]] = []
    floor: dict[str, Any] = {}
    for folder in sorted(path.parent for path in args.out.glob("*/metrics.json")):
        line, floor = row(folder)
        rows.append(line)
    known = list(recipes_for(DIGITS))
    rows.sort(key=lambda line: known.index(line[0]) if line[0] in known else len(known))
    print(render(HEADER, [*rows, ["training images", "", "", "", *cells(floor)]], args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
