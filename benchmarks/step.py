"""One training step of each recipe, against PyTorch on the same recipe and against the floor.

    python -m benchmarks.step
    python -m benchmarks.step --recipe two-layer --recipe mlp-dropout --rounds 60 --markdown

Milliseconds are medians of all rounds; a ratio is the median of the rounds' own ratios, with its quartiles. `eager` is
PyTorch as tutorials write it, `tuned` what it offers a careful user (see torch_steps.py for both), `floor` the matrix
products of our step alone, in the same order on the same buffers (floor.py). `ours` has Numba's kernels where Numba is
installed, `numpy` has not. The sides take turns, each in a process of its own and with all cores (turns.py). Images are
random bytes, the same for all. `--peers compiled` adds torch.compile, which needs a C++ compiler and, not counted, a minute
for each recipe.

    python -m benchmarks.step --device cuda --steps 200 --tf32

On a GPU the peers are PyTorch eager, `graphs`, captured into CUDA graphs, and `compiled` by torch.compile, with everything
on the device and in float32, or all in TF32 (torch_on_gpu.py); time is what events on the device say. Ours is not captured.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import sys
from importlib.metadata import version

from benchmarks.harness.rounds import ratio, take_turns
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run
from gan.errors import RunError
from gan.recipes import DIGITS, get_recipe, recipes_for
from nn import get_ops

EAGER, TUNED, COMPILED = ["eager"], ["eager", "tuned"], ["eager", "tuned", "compiled"]
ON_GPU = ["eager", "graphs", "compiled"]
PEERS = {"eager": EAGER, "tuned": TUNED, "compiled": COMPILED, "none": []}
GPU_PEERS = {"eager": EAGER, "tuned": ON_GPU, "compiled": ON_GPU, "none": []}


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: all)")
    add("--rounds", type=positive_int, default=40, help="turns of each side (default: %(default)s)")
    add("--steps", type=positive_int, default=10, help="timed steps a turn (default: %(default)s)")
    peers_help = "eager alone, tuned as well, or compiled as well (on a GPU, graphs and compiled), or none (default: tuned)"
    add("--peers", choices=PEERS, default="tuned", help=peers_help)
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where to compute (default: %(default)s)")
    add("--tf32", action="store_true", help="on a GPU: products of factors rounded to TF32, on all sides")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def row(recipe, peers, times):
    """A recipe's line of the table."""
    digits = 2 if "floor" in times else 3  # a GPU's steps are short
    mine = ["ours", *(["numpy"] if "numpy" in times else [])]
    cells = [recipe, *(f"{statistics.median(times[side]):.{digits}f}" for side in [*mine, *peers])]
    pairs = [(peer, "ours") for peer in peers] + [("ours", "floor")] * ("floor" in times)
    return cells + ["{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[a], times[b])) for a, b in pairs]


def require_cuda_of_torch():
    import torch

    if not torch.cuda.is_available():
        raise RunError(
            f"PyTorch: expected one that can use the GPU, got {torch.__version__}, which finds none; "
            "install one for CUDA, or give --peers none"
        )


def require_compiler():
    compiler = os.environ.get("CXX", "g++")  # as torch.compile looks for it
    if shutil.which(compiler) is None:
        raise RunError(f"torch.compile: expected a C++ compiler, found no {compiler}; install one, or give --peers tuned")


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or recipes_for(DIGITS)]
    on_gpu = args.device == "cuda"
    card = repr(get_ops(args.device, args.tf32)) + ", " if on_gpu or args.tf32 else ""  # an error where it cannot be had
    peers, peer_version = (GPU_PEERS if on_gpu else PEERS)[args.peers], "no peer"
    if peers:
        if importlib.util.find_spec("torch") is None:
            raise RunError("the peer is PyTorch, which is not installed: pip install -e '.[bench]'  (or give --peers none)")
        peer_version = f"PyTorch {version('torch')}"
        if on_gpu:
            require_cuda_of_torch()
        elif "compiled" in peers:
            require_compiler()
    print(f"{card}{machine()}, {peer_version}; {args.rounds} rounds of {args.steps} steps", file=sys.stderr)
    ours = ["ours"] if on_gpu else ["ours", "numpy"]
    header = ["recipe", *(f"{side}, ms" for side in [*ours, *peers])]
    header += [*(f"{peer} / ours" for peer in peers), *(["ours / floor"] if not on_gpu else [])]
    sides, rows = [*ours, *([] if on_gpu else ["floor"]), *peers], []
    words = (args.device, "tf32" if args.tf32 else "float32")
    for recipe in recipes:
        rows.append(row(recipe, peers, take_turns(sides, (recipe, *words), args.rounds, args.steps)))
        print(f"{recipe}: done", file=sys.stderr)
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
