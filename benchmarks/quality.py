"""Train each recipe to its length, and judge what it draws: the table of sample quality.

    python -m benchmarks.quality --out quality
    python -m benchmarks.quality --out quality --recipe dcgan --recipe two-layer --seed 1 --markdown
    python -m benchmarks.quality --out quality --recipe conv-clusters --dataset mnist-sample

Runs the commands that everyone has, train_mnist_gan.py, evaluate.py and predict.py, for each recipe and seed, into a folder
of its own in --out; its digits.png are the first 16 of seed 0, unpicked. A run that is there already is not trained again, so
the table grows from call to call; it shows all runs in the folder. Whatever the training saw, all of MNIST judges it. Hours,
for all recipes: the minutes of each training stand in the table.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_float, run, seed
from gan.errors import RunError
from gan.evaluation.metrics import ROWS
from gan.recipes import DIGITS, get_recipe, recipes_for

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HEADER = (
    "recipe",
    "images",
    "seed",
    "minutes",
    "FID",
    "MNIST score",
    "precision",
    "recall",
    "digits",
    "KL",
    "Parzen",
)
KEYS = (
    "fid",
    "mnist_score",
    "precision",
    "recall",
    "digits_drawn",
    "kl_to_uniform",
    "parzen_log_likelihood",
)


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--out",
        type=Path,
        default=Path("quality"),
        help="folder of the runs (default: %(default)s)",
    )
    add("--recipe", action="append", metavar="R", help="may be given several times (default: all)")
    add("--seed", action="append", type=seed, help="may be given several times (default: 0)")
    add(
        "--minutes",
        type=positive_float,
        help="train for so many minutes (default: the recipe's length)",
    )
    add(
        "--dataset",
        default="mnist",
        choices=("mnist", "mnist-sample"),
        help="what to train on (default: %(default)s)",
    )
    add("--data-dir", help="folder that holds the data files, or gets them (default: data/)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def call(example, *words):
    """Run one of the examples; its errors end this command too."""
    if subprocess.run([sys.executable, *map(str, [EXAMPLES / example, *words])]).returncode:
        raise RunError(
            f"{example} did not finish; the runs before it are whole, and another call goes on after them"
        )


def judge(folder, recipe, seed, args):
    """Train and judge one recipe, unless it is done."""
    data = ["--data-dir", args.data_dir] if args.data_dir else []
    seen = data if args.dataset == "mnist" else []  # the sample comes with the package
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        length = ["--minutes", args.minutes] if args.minutes else []
        what = "--recipe", recipe, "--seed", seed, "--dataset", args.dataset
        call("train_mnist_gan.py", *what, "--out", unfinished, *length, *seen)
        unfinished.rename(folder)
    if not (folder / "metrics.json").exists():
        call(
            "evaluate.py",
            "--weights",
            folder / "weights.npz",
            "--out",
            folder / "metrics.json",
            *data,
        )
    if not (folder / "digits.png").exists():
        call(
            "predict.py",
            "--weights",
            folder / "weights.npz",
            "--out",
            folder / "digits.png",
            "--count",
            16,
            "--seed",
            0,
        )


def row(folder):
    """The line of a run that has been judged."""
    report, config = (
        json.loads((folder / name).read_text()) for name in ("metrics.json", "config.json")
    )
    with open(folder / "history.csv", newline="") as file:
        minutes = sum(float(record["seconds"]) for record in csv.DictReader(file)) / 60
    return [
        config["recipe"],
        f"{config['images']:,}",
        config["seed"],
        f"{minutes:.1f}",
        *cells(report["metrics"]),
    ], report["floor"]


def cells(metrics):
    formats = {key: form for key, _, form, _ in ROWS}
    return [formats[key].format(metrics[key]) for key in KEYS]


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or recipes_for(DIGITS)]
    print(machine(), file=sys.stderr)
    variant = f"-{args.dataset}" * (args.dataset != "mnist") + (
        f"-{args.minutes:g}-minutes" if args.minutes else ""
    )
    for each in args.seed or [0]:
        for recipe in recipes:
            judge(args.out / f"{recipe}-{each}{variant}", recipe, each, args)
    rows, floor = [], None
    for folder in sorted(path.parent for path in args.out.glob("*/metrics.json")):
        line, floor = row(folder)
        rows.append(line)
    rows.sort(key=lambda line: list(recipes_for(DIGITS)).index(line[0]))
    print(render(HEADER, [*rows, ["training images", "", "", "", *cells(floor)]], args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
