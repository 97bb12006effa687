"""The work of one training step of each recipe on a GPU, and the two lower bounds on its time.

    python -m benchmarks.gpu_floors --card H200 --tf32 --markdown

`launches` counts kernels and matrix products, `GFLOP` the multiplications and additions of the
products, `MB` the arrays that all of them read or write: each array once per launch, as if no
cache kept anything in between. Training images are left out; a step reads one batch of bytes of
them. All are means over eight steps, because some penalties are due every eighth.

No step of these launches takes less than GFLOP over the card's rate nor, if its memory exceeds the
card's cache, less than MB over its bandwidth. Counting does not depend on the speed of the card:
any CUDA card will do.
"""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.harness.contenders.steps import N_IMAGES, images, labels
from benchmarks.harness.options import add_markdown, add_recipes, recipe_names
from benchmarks.harness.tables import render
from gan.commands.shared.command_line import Parser, run
from gan.recipes import Recipe, get_recipe
from gan.training.trainer import Trainer
from nn import get_ops

STEPS = 8
CARDS = {  # from NVIDIA's data sheets, without sparsity: TFLOP/s in float32 and in TF32, TB/s
    "A100": (19.5, 156, 2.04),
    "H100": (67, 495, 3.35),
    "H200": (67, 495, 4.8),
}


@dataclasses.dataclass
class Count:
    """Launches, operations of products, and bytes read or written."""

    launches: float = 0
    flop: float = 0
    bytes: float = 0

    def add(self, arrays: Iterable[Any], flop: float = 0) -> None:
        """Count one launch on these arrays."""
        distinct = {id(x): x for x in arrays}.values()
        self.launches += 1
        self.flop += flop
        self.bytes += sum(x.nbytes for x in distinct if x.dtype != np.uint8)


def count(ops: Any, step: Callable[[], object]) -> Count:
    """Count what ``step()`` launches on a CUDA backend."""
    total = Count()
    kernel, launch, gemm = ops.kernel, ops.launch, ops.gemm
    copy_, fill_ = ops.copy_, ops.fill_

    def counted_kernel(name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            total.add(x for x in args if ops.is_array(x))
            return kernel(name)(*args, **options)

        return call

    def counted_launch(name: str, grid: Any, block: Any, arrays: Any, *rest: Any) -> None:
        total.add([*arrays, *(x for x in rest if ops.is_array(x))])
        launch(name, grid, block, arrays, *rest)

    def counted_gemm(a: Any, b: Any, *, out: Any, trans_a: bool = False, **options: Any) -> Any:
        inner = a.shape[0] if trans_a else a.shape[1]
        total.add((a, b, out), 2 * out.size * inner)
        return gemm(a, b, out=out, trans_a=trans_a, **options)

    def counted_copy_(y: Any, x: Any) -> None:
        total.add((y, x))
        copy_(y, x)

    def counted_fill_(x: Any, value: float) -> None:
        total.add((x,))
        fill_(x, value)

    counted: dict[str, Any] = {
        "kernel": counted_kernel,
        "launch": counted_launch,
        "gemm": counted_gemm,
        "copy_": counted_copy_,
        "fill_": counted_fill_,
    }
    with patch.multiple(ops, create=True, **counted):
        step()
    return total


def row(ops: Any, recipe: Recipe, rate: float, bandwidth: float) -> list[str]:
    """A recipe's line of the table; `rate` in operations per second, `bandwidth` in bytes."""
    trainer = Trainer(recipe, images(), labels(N_IMAGES, recipe), device=ops)
    trainer.step()

    def steps() -> None:
        for _ in range(STEPS):
            trainer.step()

    total = count(ops, steps)
    launches, flop, n_bytes = (x / STEPS for x in dataclasses.astuple(total))
    microseconds = f"{flop / rate * 1e6:.1f}", f"{n_bytes / bandwidth * 1e6:.1f}"
    return [
        recipe.name,
        f"{launches:.0f}",
        f"{flop / 1e9:.3f}",
        f"{n_bytes / 1e6:.1f}",
        *microseconds,
    ]


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser)
    parser.add_argument(
        "--card", choices=CARDS, default="H200", help="whose rates to use (default: %(default)s)"
    )
    parser.add_argument(
        "--tf32", action="store_true", help="the card's rate in TF32 instead of float32"
    )
    add_markdown(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    recipes = [get_recipe(name) for name in recipe_names(args.recipe)]
    ops = get_ops("cuda")
    float32, tf32, bandwidth = CARDS[args.card]
    rate = tf32 if args.tf32 else float32
    rows = [row(ops, recipe, rate * 1e12, bandwidth * 1e12) for recipe in recipes]
    header = ["recipe", "launches", "GFLOP", "MB"]
    header += [f"operations on {args.card}, us", f"bytes on {args.card}, us"]
    print(
        f"rates of {args.card}, {'TF32' if args.tf32 else 'float32'}; counted on {ops}",
        file=sys.stderr,
    )
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
