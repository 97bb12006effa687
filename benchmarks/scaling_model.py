"""How far training scales on paper: an alpha-beta model, fed with what was measured.

    python -m benchmarks.scaling_model --measured scaling.json
    python -m benchmarks.scaling_model --measured scaling.json --weak --markdown
    python -m benchmarks.scaling_model --measured scaling.json --latency 5 --bandwidth 12.5
    python -m benchmarks.scaling_model --measured ranks.json --summary --batch 256 --markdown

--measured takes the file of `python -m benchmarks.scaling_processes --keep`, with each recipe
either measured by --one-rank, or in two processes at two batch sizes or more;
benchmarks/harness/alpha_beta.py has the model. Strong scaling shares a
batch of --batch images among N ranks; the columns are how many times as fast a step is as on one
rank. Weak scaling gives each rank such a batch; the columns are the fraction of a lone rank's speed
that each keeps. `pays to` is the last N at which doubling the ranks made a shared batch --gain
times as fast. --summary has a line for each recipe, with three figures for each network: the
speed that each of 64 ranks keeps with such a batch each, and how far sharing pays, first the
recipe's own batch, then such a batch. The latency of the networks on TCP is assumed, and their
bandwidth is the line rate; the third was measured:
https://blogs.cisco.com/performance/mpi-over-40gb-ethernet (2014).
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.alpha_beta import Model, Network
from benchmarks.harness.options import add_markdown
from benchmarks.harness.tables import render
from gan.commands.shared.command_line import Parser, positive_float, positive_int, run
from gan.errors import RunError
from gan.recipes import get_recipe

RANKS = [2, 4, 8, 16, 32, 64]
NETWORKS = {
    "1 Gb/s TCP": Network.of(50, 0.125),
    "10 Gb/s TCP": Network.of(30, 1.25),
    "40 Gb/s usNIC": Network.of(1.93, 37.23 / 8),
}


def models(path: Path) -> Iterator[tuple[str, str, Model]]:
    """(recipe, network, model) of each recipe, which was measured at two batch sizes or more."""
    kept = json.loads(path.read_text())
    cells, ranks = kept["cells"], kept.get("ranks", {})
    for recipe, rank in ranks.items():
        points = [(float(n), middle(times) / 1e3) for n, times in rank["images"].items()]
        for name, network in NETWORKS.items():
            yield recipe, name, Model(points, tuple(rank["bytes"]), network)
    recipes: dict[str, list[tuple[int, dict]]] = {}
    for name, cell in cells.items():
        recipe, batch = name.split()
        if recipe in ranks:
            continue
        recipes.setdefault(recipe, []).append((int(batch), cell))
    for recipe, measured in recipes.items():
        if len(measured) < 2:
            raise RunError(
                f"{path}: expected {recipe} at two batch sizes, got one; measure another with "
                "python -m benchmarks.scaling_processes --keep"
            )
        # a rank of two has half of the batch; its all-reduces are the network's, not the step's
        computed = [
            (batch / 2, (middle(cell["together"]) - sum(cell["reduce"])) / 1e3)
            for batch, cell in measured
        ]
        for name, network in NETWORKS.items():
            yield recipe, name, Model(computed, tuple(measured[0][1]["bytes"]), network)


def middle(values: list[float]) -> float:
    """The median."""
    return sorted(values)[len(values) // 2]


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("--measured", required=True, metavar="FILE", help="what was measured")
    parser.add_argument(
        "--batch", type=positive_int, default=512, metavar="N", help="images (default: 512)"
    )
    parser.add_argument("--weak", action="store_true", help="weak instead of strong scaling")
    parser.add_argument("--summary", action="store_true", help="one line for each recipe")
    parser.add_argument(
        "--gain", type=positive_float, default=1.3, metavar="X", help="(default: 1.3)"
    )
    parser.add_argument(
        "--latency", type=positive_float, metavar="US", help="microseconds of your own network"
    )
    parser.add_argument(
        "--bandwidth", type=positive_float, metavar="GB", help="its gigabytes per second"
    )
    add_markdown(parser)
    return parser.parse_args()


def summary(path: Path, args: Namespace) -> str:
    """A table with one line for each recipe."""
    rows: dict[str, list[object]] = {}
    for recipe, _, model in models(path):
        own = get_recipe(recipe).batch_size
        cells = rows.setdefault(recipe, [f"`{recipe}`", own, f"{sum(model.messages) / 1024:,.0f}"])
        far = [model.pays_up_to(b, min(b, RANKS[-1]), args.gain) for b in (own, args.batch)]
        cells.append(" / ".join([f"{model.weak(RANKS[-1], args.batch):.2f}", *map(str, far)]))
    header = ["recipe", "its batch", "sent, KiB", *NETWORKS]
    return render(header, rows.values(), args.markdown)


def main() -> int:
    args = arguments()
    if args.latency and args.bandwidth:
        NETWORKS["yours"] = Network.of(args.latency, args.bandwidth)
    if args.summary:
        print(summary(Path(args.measured), args))
        return 0
    rows = []
    for recipe, network, model in models(Path(args.measured)):
        figure = model.weak if args.weak else model.strong
        cells = [f"{figure(n, args.batch):.2f}" for n in RANKS]
        pays = model.pays_up_to(args.batch, RANKS[-1], args.gain)
        rows.append([f"`{recipe}`", network, *cells, pays])
    print(render(["recipe", "network", *map(str, RANKS), "pays to"], rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
