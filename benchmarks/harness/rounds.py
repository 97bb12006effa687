"""Several sides timed in turns, each in a process of its own.

Turns (A B A B ...) put every side through the same busy and quiet moments of the machine, and a ratio is taken between
neighbours in time. Processes of their own keep the thread pools apart: the workers of OpenBLAS, which NumPy brings, and of
OpenMP, which PyTorch brings, wait for their next task by spinning, so that in one process the side whose turn is over
could hold a core that the one whose turn has come needs. Both go to sleep within milliseconds of a turn's end (`nn` sees to
that for OpenBLAS); the untimed steps at the beginning of each turn outlast that, and fill the caches again. A step that
takes seconds, such as an epoch, has a `lead_in`: what to call untimed in its place.

Run as a program, this module is one side: it writes "ready" after its warm-up, and the milliseconds of a step, the mean
over one turn, for each line that it reads.
"""

import importlib
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness.clocks import WallClock, clock_of
from gan.errors import RunError

WARM_UP = 1.0  # seconds of steps before the first turn: buffers, thread pools, the allocator
LEAD_IN = 0.06  # seconds of untimed steps at the beginning of each turn
MIN_STEPS = 3  # and at least so many
WALL_CLOCK = WallClock()


class Side:
    """A child process that takes a turn when asked to."""

    def __init__(self, name, what, sides="benchmarks.harness.contenders.steps"):
        self.name = name
        command = [sys.executable, "-m", "benchmarks.harness.rounds", sides, name, *what]
        root = Path(__file__).resolve().parent.parent.parent
        self.process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()  # "ready"

    def turn(self, steps):
        """Milliseconds of a step, the mean over so many."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self._answer())

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RunError(f"benchmark: the process of side {self.name!r} ended with status {self.process.wait()}")
        return line.strip().removeprefix("ready")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()  # the end of its input is the end of its work
        self.process.stdout.close()
        self.process.wait()


def take_turns(names, what, rounds, steps, sides="benchmarks.harness.contenders.steps"):
    """{name: milliseconds of a step in each round}; every round, another side goes first.

    sides: the module whose make_step(name, *what) gives each side its step; what: a recipe and where it runs, say.
    """
    times = {name: [] for name in names}
    with ExitStack() as stack:
        players = [stack.enter_context(Side(name, what, sides)) for name in names]
        for i in range(rounds):
            first = i % len(players)
            for side in players[first:] + players[:first]:
                times[side.name].append(side.turn(steps))
    return times


def ratio(numerator, denominator):
    """(median, lower quartile, upper quartile) of the ratios, round by round."""
    ratios = [a / b for a, b in zip(numerator, denominator, strict=True)]
    low, middle, high = statistics.quantiles(ratios, method="inclusive") if len(ratios) > 1 else ratios * 3
    return middle, low, high


def run_for(step, seconds):
    """Untimed steps, or what the step has in their place."""
    step = getattr(step, "lead_in", step)
    end, done = time.perf_counter() + seconds, 0
    while done < MIN_STEPS or time.perf_counter() < end:
        step()
        done += 1


def timed(step, steps, clock=WALL_CLOCK):
    """Milliseconds of a step, the mean over so many, after some untimed ones."""
    run_for(step, LEAD_IN)
    began = clock.now()
    for _ in range(steps):
        step()
    return clock.milliseconds(began, clock.now()) / steps


def main():
    sides, name, *what = sys.argv[1:]
    step, clock = importlib.import_module(sides).make_step(name, *what), clock_of(name, *what[1:2])
    run_for(step, WARM_UP)
    print("ready", flush=True)
    for line in sys.stdin:
        print(timed(step, int(line), clock), flush=True)


if __name__ == "__main__":
    main()
