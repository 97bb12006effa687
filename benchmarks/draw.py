"""10,000 images out of each generator of Dense layers: ours, without Numba, and PyTorch's.

    python -m benchmarks.draw
    python -m benchmarks.draw --recipe dcgan --count 1000 --rounds 3 --markdown

From the seed to float images in [0, 1] on the host: noise, the network in evaluation mode, scaling. Weights are those of the
start; time does not depend on them. Seconds are medians of all rounds; a ratio is the median of the rounds' own ratios, with
its quartiles. The sides take turns, each in a process of its own (turns.py).
"""

import argparse
import importlib.util
import statistics
import sys

from benchmarks.harness.tables import machine, render
from benchmarks.harness.rounds import ratio, take_turns
from gan.commands.command_line import Parser, positive_int, run
from gan.recipes import DIGITS, get_recipe, recipes_for
from gan.sampling import AT_ONCE, Sampler

SIDES = ["ours", "numpy", "pytorch"]


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: those of Dense layers)")
    add("--count", type=positive_int, default=10_000, help="images to draw (default: %(default)s)")
    add("--rounds", type=positive_int, default=7, help="turns of each side (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def ours(recipe, count, device="cpu"):
    generator = recipe.generator().build(seed=0, device=device)
    shares = (1 / recipe.clusters,) * recipe.clusters if recipe.clusters else None
    sampler = Sampler(generator, recipe.latent, recipe.image_range, recipe.classes, shares)
    return lambda: sampler.images(sampler.inputs(count, seed=0))


def numpy(recipe, count):
    return ours(recipe, count, "numpy")


def pytorch(recipe, count):
    import torch

    from benchmarks.harness.pytorch.networks import peer_of

    generator = peer_of(recipe.generator().build(seed=0), (recipe.n_in,)).eval()
    low, high = recipe.image_range
    z = torch.empty(count, recipe.latent.size)
    kinds = torch.nn.functional.one_hot(torch.arange(count) % recipe.num_classes, recipe.num_classes) if recipe.num_classes else z[:, :0]

    @torch.no_grad()
    def draw():
        noise = z.normal_() if recipe.latent.distribution == "normal" else z.uniform_(-1, 1)
        parts = [generator(part) for part in torch.cat([noise, kinds], dim=1).split(AT_ONCE)]
        return torch.cat(parts).sub_(low).div_(high - low).clamp_(0, 1).numpy()

    return draw


def make_step(side, recipe, count):
    return {"ours": ours, "numpy": numpy, "pytorch": pytorch}[side](get_recipe(recipe), int(count))


def of_dense_layers():
    """The names of the recipes whose generators take and make vectors."""
    return [name for name, recipe in recipes_for(DIGITS).items() if recipe.generator().output_shape((recipe.n_in,)) == (784,)]


def main():
    args = arguments()
    recipes = [get_recipe(name).name for name in args.recipe or of_dense_layers()]
    sides = SIDES if importlib.util.find_spec("torch") else SIDES[:2]
    print(f"{machine()}; {args.rounds} rounds of {args.count:,} images", file=sys.stderr)
    rows = []
    for recipe in recipes:
        times = take_turns(sides, (recipe, str(args.count)), args.rounds, 1, "benchmarks.draw")
        seconds = [f"{statistics.median(times[side]) / 1e3:.3f}" for side in sides]
        rows.append([recipe, *seconds, *("{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[s], times["ours"])) for s in sides[1:])])
    header = ["recipe", *(f"{side}, s" for side in sides), *(f"{side} / ours" for side in sides[1:])]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
