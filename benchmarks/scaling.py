"""How the cost of an image grows with the number of images, and from the first epoch to the last.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --images 1000 --images 60000 --epochs 100 --markdown
    python -m benchmarks.scaling --full --data-dir some/folder

Both want a flat line. Of the first table, each row is a training on so many images: microseconds of an image in bare steps,
and in whole epochs as the command has them (epoch.py), whose picture, weights and checkpoint a small epoch shares among few
images. Every turn is as many epochs as make it as long as one of the most images, and a ratio is to those. Of the second,
a row is some consecutive epochs of one training on the most images, each of them followed by as many bare steps in another
process, so that the machine's own ups and downs fall out of the ratio. Figures are medians of all turns; a ratio is the
median of the turns' own ratios, with its quartiles. Images are random bytes, or MNIST's own with --data-dir.

--full trains the recipe to its length instead, in one piece with all its files, and says how long that took.
"""

import argparse
import statistics
import sys
import time
from itertools import pairwise

from benchmarks.harness.contenders.epochs import FULL, Ours, training_images
from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import ratio, take_turns
from gan.commands.command_line import Parser, positive_int, run
from gan.recipes import get_recipe
from gan.errors import RunError

BLOCKS = 5  # rows of the second table


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", default="mlp-dropout", metavar="R", help="(default: %(default)s)")
    add("--images", type=positive_int, action="append", help="may be given several times (default: 1000, 10000, 60000)")
    add("--rounds", type=positive_int, default=5, help="turns for each number of images (default: %(default)s)")
    add("--epochs", type=positive_int, default=20, help="length of the training of the second table (default: %(default)s)")
    add("--data-dir", help="folder that holds MNIST's files (default: random bytes)")
    add("--full", action="store_true", help="only train to the recipe's length on the most images, and time it as a whole")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args()


def make_step(side, recipe, most, data_dir=None):
    """A side named `1000 steps` or `1000 ours`: epochs of so many images, together as long as one of the most."""
    from benchmarks.harness.contenders import epochs as epoch_sides

    n, kind = side.split()
    return epoch_sides.make_step(kind, recipe, n, max(int(most) // int(n), 1), data_dir)


def by_images(recipe, sizes, rounds, data):
    """A row for each number of images: us of an image in steps and in epochs, and their ratios to those of the most."""
    most, batch = max(sizes), get_recipe(recipe).batch_size
    sides = [f"{n} {kind}" for n in sizes for kind in ("steps", "ours")]
    times = take_turns(sides, (recipe, str(most), *data), rounds, 1, "benchmarks.scaling")
    per_image = {}
    for side, turns in times.items():
        n = int(side.split()[0])
        seen = max(most // n, 1) * (n // batch) * batch
        per_image[side] = [ms * 1e3 / seen for ms in turns]
    for n in sizes:
        cells = []
        for kind in ("steps", "ours"):
            mine, last = per_image[f"{n} {kind}"], per_image[f"{most} {kind}"]
            cells += [f"{statistics.median(mine):.1f}", "{:.2f} ({:.2f}-{:.2f})".format(*ratio(mine, last))]
        yield [f"{n:,}", *cells]


def by_epoch(recipe, n, epochs, data):
    """A row for some consecutive epochs each: us of an image, and the epoch's ratio to its steps."""
    times = take_turns(["ours", "steps"], (recipe, str(n), "1", *data), epochs, 1, "benchmarks.harness.contenders.epochs")
    batch = get_recipe(recipe).batch_size
    for first, end in pairwise(edges(epochs, min(BLOCKS, epochs))):
        ours, steps = times["ours"][first:end], times["steps"][first:end]
        microseconds = statistics.median(ours) * 1e3 / (n // batch * batch)
        yield f"{first + 1}-{end}", f"{microseconds:.1f}", "{:.2f} ({:.2f}-{:.2f})".format(*ratio(ours, steps))


def edges(count, blocks):
    """Where so many blocks of about equal length begin and end: 0, ..., count."""
    return [count * k // blocks for k in range(blocks + 1)]


def whole(recipe, images):
    """Seconds of a training to the recipe's length with all its files, from the first step to the last file."""
    training = Ours(recipe, images, recipe.epochs)
    began = time.perf_counter()
    training()
    training.finish()
    return time.perf_counter() - began


def main():
    args = arguments()
    recipe = get_recipe(args.recipe)
    sizes = sorted(args.images or [1_000, 10_000, FULL])
    data = [args.data_dir] if args.data_dir else []
    print(f"{machine()}; {recipe.name}", file=sys.stderr)
    if args.full:
        if not recipe.epochs:
            raise RunError(f"--full: expected a recipe whose length is in epochs, {recipe.name} has {recipe.length}")
        seconds = whole(recipe, training_images(sizes[-1], *data))
        header = ["recipe", "epochs", "images", "whole training, s", "an epoch, s"]
        cells = [recipe.name, recipe.epochs, f"{sizes[-1]:,}", f"{seconds:.1f}", f"{seconds / recipe.epochs:.2f}"]
        print(render(header, [cells], args.markdown))
        return 0
    header = ["images", "an image in steps, us", "to the most", "in epochs, us", "to the most"]
    print(render(header, by_images(recipe.name, sizes, args.rounds, data), args.markdown), end="\n\n", flush=True)
    header = ["epochs", "an image, us", "epoch / its steps"]
    print(render(header, by_epoch(recipe.name, sizes[-1], args.epochs, data), args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
