"""One training step while other programs keep the cores busy.

    python -m benchmarks.busy
    python -m benchmarks.busy --recipe mlp-dropout --busy 0 --busy 2 --peers none --markdown

K other processes compute without a pause while the contenders are measured, each in its own
process as in benchmarks/step.py. On two cores, K = 2 gives each core another program. Times are
medians over all rounds, in milliseconds. `slower` is the median of the ratio of a contender's step
to its step at the first K in the same round, with its quartiles. A step that waits for a thread
without a core shows here and nowhere else; 1 + K / cores would be fair.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from benchmarks.harness.options import add_count, add_markdown, add_peers, add_recipes, recipe_names
from benchmarks.harness.ratios import ratio_cell
from benchmarks.harness.requirements import require_peers
from benchmarks.harness.rounds import Contender, rotated
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, run, seed

SPIN = "print(flush=True)\nwhile True:\n    pass\n"
PEERS = {"tuned": ["tuned"], "jax": ["tuned", "jax"], "none": []}

Times = dict[tuple[str, int], list[float]]  # of a contender at K, one per round


class BusyProcess:
    """A process that computes without end, except while it is paused."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()  # it has started
        self.pause()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def computing(processes: list[BusyProcess]) -> Iterator[None]:
    """Let these processes compute inside the block."""
    for process in processes:
        process.resume()
    try:
        yield
    finally:
        for process in processes:
            process.pause()


def measure(names: list[str], recipe: str, busy: list[int], rounds: int, steps: int) -> Times:
    """Milliseconds of a step of each contender at each K, in each round."""
    times: Times = {(name, k): [] for name in names for k in busy}
    with ExitStack() as stack:
        others = [stack.enter_context(BusyProcess()) for _ in range(max(busy))]
        contenders = [stack.enter_context(Contender(name, (recipe,))) for name in names]
        for i in range(rounds):
            for k in busy:
                with computing(others[:k]):
                    for contender in rotated(contenders, i):
                        times[contender.name, k].append(contender.milliseconds(steps))
    return times


def row(recipe: str, name: str, busy: list[int], times: Times) -> list[str]:
    """A contender's line of the table."""
    milliseconds = [f"{statistics.median(times[name, k]):.2f}" for k in busy]
    slower = [ratio_cell(times[name, k], times[name, busy[0]]) for k in busy[1:]]
    return [recipe, name, *milliseconds, *slower]


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add_recipes(parser, "mlp-dropout and conv-clusters")
    parser.add_argument(
        "--busy",
        action="append",
        type=seed,
        metavar="K",
        help="number of busy processes, may be given several times (default: 0, 1 and 2)",
    )
    add_count(parser, "--rounds", 5, "measurements of each contender at each K")
    add_count(parser, "--steps", 100, "timed steps in each measurement")
    add_peers(parser, PEERS, "PyTorch tuned, also JAX, or none")
    add_markdown(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    busy = args.busy or [0, 1, 2]
    recipes = recipe_names(args.recipe, ["mlp-dropout", "conv-clusters"])
    peers = PEERS[args.peers]
    versions = require_peers(peers)
    print(
        f"{machine()}, {versions or 'no peer'}; {args.rounds} rounds of {args.steps} steps",
        file=sys.stderr,
    )
    names, rows = ["ours", "numpy", *peers], []
    for recipe in recipes:
        times = measure(names, recipe, busy, args.rounds, args.steps)
        rows += [row(recipe, name, busy, times) for name in names]
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", "contender", *(f"K = {k}, ms" for k in busy)]
    header += [f"slower at {k}" for k in busy[1:]]
    print(render(header, rows, args.markdown, versions))
    return 0


if __name__ == "__main__":
    run(main)
