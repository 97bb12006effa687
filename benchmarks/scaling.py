"""How the cost of an image depends on the number of images, and on the epoch.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --images 1000 --images 60000 --epochs 100 --markdown
    python -m benchmarks.scaling --full --data-dir some/folder

Both costs should be constant. In the first table, each row is a run on a number of images:
microseconds for each image in bare steps, and in whole epochs with everything around the steps
(benchmarks/epoch.py). The picture, weights and checkpoint of a small epoch are spread over few
images. Each measurement has as many epochs as make it as long as one of the largest set, and the
ratios are to that set.

In the second table, each row is a block of consecutive epochs of one run on the largest set. Each
epoch is followed by the same number of bare steps in another process, so that changes in the speed
of the machine cancel in the ratio. Times are medians over all rounds; a ratio is the median of the
ratios of the rounds, with its quartiles. Images are random bytes; with --data-dir, they are
MNIST's.

--full instead trains the recipe to its full length, with all its files, and reports the time.
"""

from __future__ import annotations

import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from benchmarks.harness.contenders.epochs import FULL, Ours, training_images
from benchmarks.harness.contenders.scaled_epochs import n_epochs
from benchmarks.harness.options import add_count, add_markdown
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run
from gan.errors import RunError
from gan.recipes import Recipe, get_recipe

BLOCKS = 5  # rows of the second table
EPOCHS = "benchmarks.harness.contenders.epochs"
SCALED_EPOCHS = "benchmarks.harness.contenders.scaled_epochs"


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("--recipe", default="mlp-dropout", metavar="R", help="(default: %(default)s)")
    add(
        "--images",
        type=positive_int,
        action="append",
        help="may be given several times (default: 1000, 10000, 60000)",
    )
    add_count(parser, "--rounds", 5, "measurements for each number of images")
    add_count(parser, "--epochs", 20, "length of the run in the second table")
    add("--data-dir", help="folder that contains MNIST's files (default: random bytes)")
    add(
        "--full",
        action="store_true",
        help="only train to the recipe's length, on the largest number of images, and time it",
    )
    add_markdown(parser)
    return parser.parse_args()


def rows_by_images(
    recipe: str, sizes: list[int], rounds: int, data_dir: Sequence[str]
) -> Iterator[list[str]]:
    """A row for each number of images.

    Microseconds for an image in steps and in epochs, and their ratios to those of the largest set.
    """
    most, batch = max(sizes), get_recipe(recipe).batch_size
    names = [f"{n} {kind}" for n in sizes for kind in ("steps", "ours")]
    times = interleaved(names, (recipe, str(most), *data_dir), rounds, 1, SCALED_EPOCHS)
    per_image = {}
    for name, milliseconds in times.items():
        n = int(name.split()[0])
        images = n_epochs(n, most) * (n // batch) * batch
        per_image[name] = [ms * 1e3 / images for ms in milliseconds]
    for n in sizes:
        cells = []
        for kind in ("steps", "ours"):
            these, largest = per_image[f"{n} {kind}"], per_image[f"{most} {kind}"]
            cells += [f"{statistics.median(these):.1f}", ratio_cell(these, largest)]
        yield [f"{n:,}", *cells]


def rows_by_epoch(recipe: str, n: int, epochs: int, data_dir: Sequence[str]) -> Iterator[list[str]]:
    """A row for each block of epochs: microseconds for an image, and the ratio to its steps."""
    settings = (recipe, str(n), "1", *data_dir)
    times = interleaved(["ours", "steps"], settings, epochs, 1, EPOCHS)
    batch = get_recipe(recipe).batch_size
    for first, end in pairwise(block_edges(epochs, min(BLOCKS, epochs))):
        ours, steps = times["ours"][first:end], times["steps"][first:end]
        microseconds = statistics.median(ours) * 1e3 / (n // batch * batch)
        yield [f"{first + 1}-{end}", f"{microseconds:.1f}", ratio_cell(ours, steps)]


def block_edges(count: int, blocks: int) -> list[int]:
    """The edges of `blocks` blocks of about equal length: 0, ..., count."""
    return [count * k // blocks for k in range(blocks + 1)]


def time_of_full_run(recipe: Recipe, images: np.ndarray) -> float:
    """Seconds of a run to the recipe's length, from the first step to the last file."""
    assert recipe.epochs
    training = Ours(recipe, images, recipe.epochs)
    began = time.perf_counter()
    training()
    training.finish()
    return time.perf_counter() - began


def full_run_table(recipe: Recipe, images: np.ndarray, markdown: bool) -> str:
    """The table of --full."""
    if not recipe.epochs:
        raise RunError(
            f"--full: expected a recipe whose length is in epochs, {recipe.name} has "
            f"{recipe.length}"
        )
    seconds = time_of_full_run(recipe, images)
    header = ["recipe", "epochs", "images", "whole training, s", "an epoch, s"]
    per_epoch = f"{seconds / recipe.epochs:.2f}"
    row = [recipe.name, recipe.epochs, f"{len(images):,}", f"{seconds:.1f}", per_epoch]
    return render(header, [row], markdown)


def main() -> int:
    args = arguments()
    recipe = get_recipe(args.recipe)
    sizes = sorted(args.images or [1_000, 10_000, FULL])
    print(f"{machine()}; {recipe.name}", file=sys.stderr)
    if args.full:
        images = training_images(sizes[-1], args.data_dir)
        print(full_run_table(recipe, images, args.markdown))
        return 0
    data_dir = [args.data_dir] if args.data_dir else []
    header = ["images", "an image in steps, us", "to the most", "in epochs, us", "to the most"]
    rows = rows_by_images(recipe.name, sizes, args.rounds, data_dir)
    print(render(header, rows, args.markdown), end="\n\n", flush=True)
    header = ["epochs", "an image, us", "epoch / its steps"]
    rows = rows_by_epoch(recipe.name, sizes[-1], args.epochs, data_dir)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
