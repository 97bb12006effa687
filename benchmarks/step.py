"""One training step of each recipe, compared with PyTorch and with a floor.

    python -m benchmarks.step
    python -m benchmarks.step --recipe two-layer --recipe mlp-dropout --rounds 60 --markdown
    python -m benchmarks.step --recipe conv-clusters --image-shape 3x32x32

Times are medians over all rounds, in milliseconds. A ratio is the median of the ratios of the
rounds, with its quartiles. The contenders run in interleaved rounds, each in its own process and
on all cores (harness/rounds.py), on the same random images.

`ours` uses Numba's kernels where Numba is installed, `numpy` does not. `eager` is PyTorch as
tutorials write it, `tuned` is PyTorch optimized by hand (harness/pytorch). `floor` is
the matrix products of our step alone, in the same order and on the same buffers
(harness/contenders/floor.py). `--peers compiled` adds torch.compile, which needs a C++ compiler
and, before the first round, about a minute for each recipe. `--peers jax` adds JAX to them, with
the whole step as one compiled program (harness/jax). It computes with a thread pool of its own, one
thread for each core; nothing is set. `--skip compiled` leaves torch.compile out.

    python -m benchmarks.step --device cuda --steps 200 --tf32

On a GPU the peers are PyTorch `eager`, `graphs` (captured into CUDA graphs) and `compiled`
(torch.compile), with all data on the device, in float32 or all in TF32
(harness/pytorch/gpu_steps.py). Times are those between events on the device. Our step is not
captured.
"""

from __future__ import annotations

import re
import statistics
import sys
from argparse import ArgumentTypeError, Namespace

from benchmarks.harness.options import add_count, add_markdown, add_peers, add_recipes, recipe_names
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import (
    require_compiler,
    require_cuda_of_torch,
    require_peers,
)
from benchmarks.harness.rounds import interleaved
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run
from gan.errors import RunError
from gan.recipes import RECIPES
from nn import get_ops

EAGER, TUNED, COMPILED = ["eager"], ["eager", "tuned"], ["eager", "tuned", "compiled"]
ON_GPU = ["eager", "graphs", "compiled"]
JAX = [*COMPILED, "jax"]
PEERS = {"eager": EAGER, "tuned": TUNED, "compiled": COMPILED, "jax": JAX, "none": []}
GPU_PEERS = {"eager": EAGER, "tuned": ON_GPU, "compiled": ON_GPU, "none": []}


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser)
    add_count(parser, "--rounds", 40, "measurements of each contender")
    add_count(parser, "--steps", 10, "timed steps in each measurement")
    peers = (
        "PyTorch eager, also tuned, also compiled, also JAX (on a GPU: PyTorch eager, also graphs "
        "and compiled), or none"
    )
    add_peers(parser, PEERS, peers)
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        choices=("numpy", "floor", *COMPILED),
        help="leave a contender out, such as compiled; may be given several times",
    )
    parser.add_argument(
        "--device",
        default="cpu",
        choices=("cpu", "cuda"),
        help="where to compute (default: %(default)s)",
    )
    parser.add_argument(
        "--tf32",
        action="store_true",
        help="on a GPU: products of factors rounded to TF32, for all contenders",
    )
    parser.add_argument(
        "--image-shape",
        type=image_shape,
        metavar="CxHxW",
        help="of the images, such as 3x32x32 (default: the recipe's own)",
    )
    add_markdown(parser)
    return parser.parse_args()


def image_shape(text: str) -> str:
    """An argparse type: channels, height and width."""
    if not re.fullmatch(r"[13]x[1-9]\d{0,3}x[1-9]\d{0,3}", text):
        raise ArgumentTypeError(f"expected CxHxW, such as 3x32x32, got {text!r}")
    return text


def row(recipe: str, peers: list[str], times: dict[str, list[float]]) -> list[str]:
    """A recipe's line of the table."""
    digits = 2 if {"floor", "numpy"} & times.keys() else 3  # steps on a GPU are short
    names = [name for name in times if name != "floor"]
    cells = [recipe, *(f"{statistics.median(times[name]):.{digits}f}" for name in names)]
    cells += [ratio_cell(times[peer], times["ours"]) for peer in peers]
    if "floor" in times:
        cells.append(ratio_cell(times["ours"], times["floor"]))
    return cells


def main() -> int:
    args = arguments()
    recipes = recipe_names(args.recipe, RECIPES)
    on_gpu = args.device == "cuda"
    card = ""
    if on_gpu or args.tf32:  # an error without a GPU
        card = f"{get_ops(args.device, args.tf32)!r}, "
    choices = GPU_PEERS if on_gpu else PEERS
    if args.peers not in choices:
        raise RunError(
            f"--peers: expected one of {', '.join(choices)} on a GPU, got {args.peers}; "
            "JAX is a peer on the CPU only"
        )
    peers = [name for name in choices[args.peers] if name not in args.skip]
    versions = require_peers(peers)
    if peers and on_gpu:
        require_cuda_of_torch()
    elif "compiled" in peers:
        require_compiler()
    print(
        f"{card}{machine()}, {versions or 'no peer'}; {args.rounds} rounds of {args.steps} steps",
        file=sys.stderr,
    )
    ours, floor = (["ours"], []) if on_gpu else (["ours", "numpy"], ["floor"])
    ours, floor = ([name for name in names if name not in args.skip] for names in (ours, floor))
    device = args.device, "tf32" if args.tf32 else "float32", args.image_shape or ""
    rows = []
    for recipe in recipes:
        names = [*ours, *floor, *peers]
        times = interleaved(names, (recipe, *device), args.rounds, args.steps)
        rows.append(row(recipe, peers, times))
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", *(f"{name}, ms" for name in [*ours, *peers])]
    header += [*(f"{peer} / ours" for peer in peers), *(f"ours / {name}" for name in floor)]
    print(render(header, rows, args.markdown, versions))
    return 0


if __name__ == "__main__":
    run(main)
