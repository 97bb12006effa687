"""Each convolution of a recipe, pass by pass: ours, PyTorch's, and the bare matrix product.

    python -m benchmarks.conv
    python -m benchmarks.conv --recipe dcgan --rounds 40 --markdown

Milliseconds are medians of all rounds; a ratio is the median of the rounds' own ratios. `product` is one NumPy product of
the size that im2col makes of the pass: Y = X W^T, X = Y W or dW = dY^T X in the notation of nn/ops/numpy/conv.py. The sides
take turns, each in a process of its own (turns.py); run as `--side NAME`, this module is one of them.
"""

import argparse
import importlib.util
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.harness.rounds import Side, ratio, timed
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run
from gan.errors import RunError
from gan.recipes import get_recipe
from nn import Conv2d, ConvTranspose2d

PASSES = ("forward", "input gradient", "weight gradient")


def convolutions(recipe):
    """[(name, layer, shape of a sample of its input), ...] of both networks, built."""
    found = []
    for name, network, shape in (
        ("G", recipe.generator(), (recipe.n_in,)),
        ("D", recipe.discriminator(), recipe.generator().output_shape((recipe.n_in,))),
    ):
        for layer in network.build(seed=0, name=name):
            if isinstance(layer, Conv2d | ConvTranspose2d):
                found.append((f"{layer.path} {without_init(layer)}", layer, shape))
            shape = layer.output_shape(shape)
    return found


def without_init(layer):
    """The layer's repr, less how its weights were drawn."""
    text, comma, _ = repr(layer).partition(", init=")
    return text + ")" * bool(comma)


def arrays(recipe, layer, shape):
    """x and dy of one batch, float32."""
    rng = np.random.default_rng(0)
    sizes = (recipe.batch_size, *shape), (recipe.batch_size, *layer.output_shape(shape))
    return [rng.standard_normal(size, dtype=np.float32) for size in sizes]


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def ours(recipe, layer, shape):
    """The layer's passes, images lying as its neighbours hand them over."""
    x, dy = map(channels_last, arrays(recipe, layer, shape))
    cache = layer.cache()
    layer.forward(x, cache)
    return (
        lambda: layer.forward(x, cache),
        lambda: layer.backward(dy, cache, grads="skip"),
        lambda: layer.backward(dy, cache, need_dx=False),
    )


def torch(recipe, layer, shape):
    """PyTorch's kernels on its usual layout, without autograd's bookkeeping."""
    import torch

    x, dy = map(torch.from_numpy, arrays(recipe, layer, shape))
    W = torch.from_numpy(np.ascontiguousarray(layer.W.transpose(0, 3, 1, 2)))
    b = torch.from_numpy(layer.b)
    transposed = isinstance(layer, ConvTranspose2d)
    extra = layer.output_padding_hw if transposed else (0, 0)
    settings = layer.stride_hw, layer.padding_hw, (1, 1), transposed, extra, 1

    def backward(*wanted):
        return torch.ops.aten.convolution_backward(dy, x, W, [len(b)], *settings, wanted)

    return (
        lambda: torch.ops.aten.convolution(x, W, b, *settings),
        lambda: backward(True, False, False),
        lambda: backward(False, True, True),
    )


def product(recipe, layer, shape):
    """The three products of im2col; a transposed convolution has the first two the other way round."""
    x, dy = arrays(recipe, layer, shape)
    K = len(layer.W)
    W = layer.W.reshape(K, -1)
    small = x if isinstance(layer, ConvTranspose2d) else dy  # what the windows' results are
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((small.size // K, K), dtype=np.float32)
    X = rng.standard_normal((len(Y), W.shape[1]), dtype=np.float32)
    dW, Y_out, X_out = np.empty_like(W), np.empty_like(Y), np.empty_like(X)
    conv, transposed = lambda: np.matmul(X, W.T, out=Y_out), lambda: np.matmul(Y, W, out=X_out)
    first_two = (transposed, conv) if isinstance(layer, ConvTranspose2d) else (conv, transposed)
    return *first_two, lambda: np.matmul(Y.T, X, out=dW)


SIDES = {side.__name__: side for side in (ours, torch, product)}


class ConvSide(Side):
    """A child process that times one pass of one layer at a turn: it reads "place repetitions"."""

    def __init__(self, name, recipe):
        self.name = name
        command = [sys.executable, "-m", "benchmarks.conv", "--recipe", recipe, "--side", name]
        root = Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()  # "ready"

    def turn(self, place, repetitions):
        return super().turn(f"{place} {repetitions}")


def be_a_side(name, recipe):
    passes = [step for _, layer, shape in convolutions(recipe) for step in SIDES[name](recipe, layer, shape)]
    print("ready", flush=True)
    for line in sys.stdin:
        place, repetitions = map(int, line.split())
        print(timed(passes[place], repetitions), flush=True)


def take_turns(names, recipe, n_passes, rounds, repetitions):
    """{name: [milliseconds in each round, for each pass]}."""
    times = {name: [[] for _ in range(n_passes)] for name in names}
    with ExitStack() as stack:
        sides = [stack.enter_context(ConvSide(name, recipe)) for name in names]
        for i in range(rounds):
            for place in range(n_passes):
                first = i % len(sides)
                for side in sides[first:] + sides[:first]:
                    times[side.name][place].append(side.turn(place, repetitions))
    return times


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", default="dcgan", help="a recipe with convolutions (default: %(default)s)")
    add("--rounds", type=positive_int, default=20, help="turns of each side (default: %(default)s)")
    add("--repetitions", type=positive_int, default=5, help="timed calls a turn (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = arguments()
    recipe = get_recipe(args.recipe)
    if args.side:
        return be_a_side(args.side, recipe)
    layers = convolutions(recipe)
    if not layers:
        raise RunError(f"recipe {recipe.name}: it has no convolutions; try --recipe dcgan")
    names = ["ours", "product", *(["torch"] if importlib.util.find_spec("torch") else [])]
    print(f"{machine()}; batches of {recipe.batch_size}, {args.rounds} rounds of {args.repetitions} calls", file=sys.stderr)
    times = take_turns(names, recipe.name, 3 * len(layers), args.rounds, args.repetitions)
    rows = []
    for place in range(3 * len(layers)):
        layer, what = layers[place // 3][0] if place % 3 == 0 else "", PASSES[place % 3]
        here = {name: times[name][place] for name in names}
        cells = [f"{statistics.median(here[name]):.2f}" for name in names]
        cells += [f"{ratio(here[name], here['ours'])[0]:.2f}" for name in names[1:]]
        rows.append([layer, what, *cells])
    header = ["layer", "pass", *(f"{name}, ms" for name in names), *(f"{name} / ours" for name in names[1:])]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
