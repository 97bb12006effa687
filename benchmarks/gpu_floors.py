"""What one training step of each recipe asks of a GPU, and the two floors that follow from a card's data sheet.

    python -m benchmarks.gpu_floors --card H200 --tf32 --markdown

`launches` are kernels and products, `GFLOP` the multiplications and additions of the products, `MB` what all of them are given
to read or write, each array once a launch, as if no cache kept anything in between; the training images are left out, of which
a step reads one batch of bytes. All are means over eight steps, since some penalties come every eighth. No step of these
launches takes less than GFLOP over the card's rate, or, where a step's memory is more than the card's cache, than MB over its
bandwidth. Counting needs the kernels, not their speed: any CUDA card will do.
"""

import argparse
import dataclasses
import sys
from unittest.mock import patch

import numpy as np

from benchmarks.harness.contenders.steps import images
from benchmarks.harness.tables import render
from gan.commands.command_line import Parser, run
from gan.recipes import DIGITS, get_recipe, recipes_for
from gan.training.trainer import Trainer
from nn import get_ops

STEPS = 8
CARDS = {  # of NVIDIA's data sheets, without sparsity: TFLOP/s in float32 and in TF32, TB/s
    "A100": (19.5, 156, 2.04),
    "H100": (67, 495, 3.35),
    "H200": (67, 495, 4.8),
}


@dataclasses.dataclass
class Count:
    launches: float = 0
    flop: float = 0
    bytes: float = 0

    def add(self, arrays, flop=0):
        self.launches += 1
        self.flop += flop
        self.bytes += sum(x.nbytes for x in {id(x): x for x in arrays}.values() if x.dtype != np.uint8)


def count(ops, step):
    """What one call of step() launches on a CUDA backend."""
    total = Count()
    kernel, launch, gemm, copy_, fill_ = ops.kernel, ops.launch, ops.gemm, ops.copy_, ops.fill_

    def counted_kernel(name):
        def call(*args, **options):
            total.add(x for x in args if ops.is_array(x))
            return kernel(name)(*args, **options)

        return call

    def counted_launch(name, grid, block, arrays, *rest):
        total.add([*arrays, *(x for x in rest if ops.is_array(x))])
        launch(name, grid, block, arrays, *rest)

    def counted_gemm(a, b, *, out, trans_a=False, **options):
        inner = a.shape[0] if trans_a else a.shape[1]
        total.add((a, b, out), 2 * out.size * inner)
        return gemm(a, b, out=out, trans_a=trans_a, **options)

    def counted_copy_(y, x):
        total.add((y, x))
        copy_(y, x)

    def counted_fill_(x, value):
        total.add((x,))
        fill_(x, value)

    counted = {"kernel": counted_kernel, "launch": counted_launch, "gemm": counted_gemm}
    with patch.multiple(ops, create=True, copy_=counted_copy_, fill_=counted_fill_, **counted):
        step()
    return total


def row(ops, recipe, rate, bandwidth):
    """A recipe's line of the table; rate in operations a second, bandwidth in bytes."""
    trainer = Trainer(recipe, images(), np.arange(len(images())) % max(recipe.classes, 1), device=ops)
    trainer.step()
    total = count(ops, lambda: [trainer.step() for _ in range(STEPS)])
    launches, flop, moved = (x / STEPS for x in dataclasses.astuple(total))
    floors = f"{flop / rate * 1e6:.1f}", f"{moved / bandwidth * 1e6:.1f}"
    return [recipe.name, f"{launches:.0f}", f"{flop / 1e9:.3f}", f"{moved / 1e6:.1f}", *floors]


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: all)")
    add("--card", choices=CARDS, default="H200", help="whose data sheet to take (default: %(default)s)")
    add("--tf32", action="store_true", help="the card's rate in TF32 instead of float32")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def main():
    args = arguments()
    recipes = [get_recipe(name) for name in args.recipe or recipes_for(DIGITS)]
    ops = get_ops("cuda")
    float32, tf32, bandwidth = CARDS[args.card]
    rows = [row(ops, recipe, (tf32 if args.tf32 else float32) * 1e12, bandwidth * 1e12) for recipe in recipes]
    header = ["recipe", "launches", "GFLOP", "MB", f"operations on {args.card}, us", f"bytes on {args.card}, us"]
    print(f"rates of {args.card}, {'TF32' if args.tf32 else 'float32'}; counted on {ops}", file=sys.stderr)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
