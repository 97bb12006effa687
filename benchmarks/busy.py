"""One training step while other programs keep the cores busy.

    python -m benchmarks.busy
    python -m benchmarks.busy --recipe mlp-dropout --busy 0 --busy 2 --peers none --markdown

K other processes compute without a pause while the contenders take turns, each in a process of its own as in
benchmarks/step.py. On two cores, K = 2 means that each core has a program of its own. Milliseconds are medians over the
rounds, `slower` is the median of each round's step over the same contender's step at the first K of that round, with its
quartiles. A step that waits for a thread which has no core shows here and nowhere else: 1 + K / cores would be fair.
"""

import argparse
import importlib.util
import signal
import statistics
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

from benchmarks.harness.rounds import Side, ratio
from benchmarks.harness.tables import machine, render
from gan.commands.shared.command_line import Parser, positive_int, run, seed
from gan.errors import RunError
from gan.recipes import get_recipe

SPIN = "print(flush=True)\nwhile True:\n    pass\n"
PEERS = {"tuned": ["tuned"], "none": []}


class BusyProcess:
    """A process that computes without end, while it is not paused."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE)
        self.process.stdout.readline()  # it has started
        self.pause()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()


@contextmanager
def computing(processes):
    """Let these processes compute inside the block."""
    for process in processes:
        process.resume()
    try:
        yield
    finally:
        for process in processes:
            process.pause()


def measure(names, recipe, busy, rounds, steps):
    """{(contender, K): milliseconds of a step in each round}."""
    times = {(name, k): [] for name in names for k in busy}
    with ExitStack() as stack:
        others = [stack.enter_context(BusyProcess()) for _ in range(max(busy))]
        contenders = [stack.enter_context(Side(name, (recipe,))) for name in names]
        for i in range(rounds):
            first = i % len(contenders)
            for k in busy:
                with computing(others[:k]):
                    for side in contenders[first:] + contenders[:first]:
                        times[side.name, k].append(side.turn(steps))
    return times


def row(recipe, name, busy, times):
    """A contender's line of the table."""
    quiet = times[name, busy[0]]
    cells = [recipe, name, *(f"{statistics.median(times[name, k]):.2f}" for k in busy)]
    return cells + ["{:.2f} ({:.2f}-{:.2f})".format(*ratio(times[name, k], quiet)) for k in busy[1:]]


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--recipe", action="append", metavar="R", help="may be given several times (default: mlp-dropout and conv-clusters)")
    add("--busy", action="append", type=seed, metavar="K", help="busy processes, several times (default: 0, 1 and 2)")
    add("--rounds", type=positive_int, default=5, help="turns of each contender at each K (default: %(default)s)")
    add("--steps", type=positive_int, default=30, help="timed steps a turn (default: %(default)s)")
    add("--peers", choices=PEERS, default="tuned", help="PyTorch tuned as well, or none (default: %(default)s)")
    add("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def main():
    args = arguments()
    busy = args.busy or [0, 1, 2]
    recipes = [get_recipe(name).name for name in args.recipe or ["mlp-dropout", "conv-clusters"]]
    peers, peer_version = PEERS[args.peers], "no peer"
    if peers:
        if importlib.util.find_spec("torch") is None:
            raise RunError("the peer is PyTorch, which is not installed: pip install -e '.[bench]'  (or give --peers none)")
        peer_version = f"PyTorch {version('torch')}"
    print(f"{machine()}, {peer_version}; {args.rounds} rounds of {args.steps} steps", file=sys.stderr)
    rows = []
    for recipe in recipes:
        names = ["ours", "numpy", *peers]
        times = measure(names, recipe, busy, args.rounds, args.steps)
        rows += [row(recipe, name, busy, times) for name in names]
        print(f"{recipe}: done", file=sys.stderr)
    header = ["recipe", "contender", *(f"K = {k}, ms" for k in busy), *(f"slower at {k}" for k in busy[1:])]
    print(render(header, rows, args.markdown))
    return 0


if __name__ == "__main__":
    run(main)
