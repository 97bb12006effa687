"""Contenders timed in interleaved rounds, each in its own process.

Interleaving (A B A B ...) exposes all contenders to the same busy and quiet moments of the machine,
and each ratio is taken between measurements that are neighbours in time. Separate processes keep
the thread pools apart. The workers of OpenBLAS (NumPy) and OpenMP (PyTorch) spin while they wait,
so in a shared process the idle contender could occupy a core that the measured one needs. Both go
to sleep within milliseconds (`nn` configures OpenBLAS to). Each measurement starts with untimed
steps, which outlast that and refill the caches. A step that takes seconds, such as an epoch,
defines `lead_in`, which is called instead of the untimed steps.

Run as a program, this module is one contender. It prints "ready" after its warm-up. Each input line
"INDEX COUNT" makes it run step INDEX COUNT times and print the mean in milliseconds.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO, Any, Self, TypeVar

from benchmarks.harness.clocks import Clock, WallClock, clock_of
from benchmarks.harness.processes import ROOT
from gan.errors import RunError

WARM_UP = 1.0  # seconds of steps before the first round: buffers, thread pools, the allocator
LEAD_IN = 0.06  # seconds of untimed steps at the start of each measurement
MIN_STEPS = 3  # untimed steps, at least
WALL_CLOCK = WallClock()
STEPS = "benchmarks.harness.contenders.steps"

Step = Callable[[], Any]
Item = TypeVar("Item")


class Contender:
    """A child process that times its steps on request.

    Parameters
    ----------
    name : the contender's name
    args : for example a recipe and the device
    module : the module whose ``make_step(name, *args)`` returns the step, or a list of steps
    """

    def __init__(self, name: str, args: Sequence[str], module: str = STEPS) -> None:
        self.name = name
        command = [sys.executable, "-m", "benchmarks.harness.rounds", module, name, *args]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()  # "ready"

    def milliseconds(self, count: int, index: int = 0) -> float:
        """Run step `index` `count` times; returns the mean."""
        stdin = _pipe(self.process.stdin)
        stdin.write(f"{index} {count}\n")
        stdin.flush()
        return float(self._read())

    def close_input(self) -> None:
        """Let the process end: it reads until the end of its input."""
        _pipe(self.process.stdin).close()

    def _read(self) -> str:
        line = _pipe(self.process.stdout).readline()
        if not line:
            status = self.process.wait()
            raise RunError(
                f"benchmark: the process of contender {self.name!r} ended with status {status}"
            )
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close_input()
        _pipe(self.process.stdout).close()
        self.process.wait()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # opened by Popen
    return pipe


def rotated(items: list[Item], n: int) -> list[Item]:
    """The items in order, starting with the n-th, so that a different one is first each round."""
    n %= len(items)
    return items[n:] + items[:n]


def interleaved(
    names: Sequence[str], args: Sequence[str], rounds: int, count: int, module: str = STEPS
) -> dict[str, list[float]]:
    """Time contenders in interleaved rounds.

    Parameters
    ----------
    names, args, module : of the contenders; see `Contender`
    rounds : measurements of each contender
    count : steps in each measurement

    Returns
    -------
    {name: mean milliseconds of a step, in each round}
    """
    return {
        name: times
        for name, (times,) in interleaved_steps(names, args, 1, rounds, count, module).items()
    }


def interleaved_steps(
    names: Sequence[str], args: Sequence[str], n_steps: int, rounds: int, count: int, module: str
) -> dict[str, list[list[float]]]:
    """The same for contenders with a list of `n_steps` steps: {name: [times of each step]}."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in range(n_steps)] for name in names}
    with ExitStack() as stack:
        contenders = [stack.enter_context(Contender(name, args, module)) for name in names]
        for i in range(rounds):
            for index in range(n_steps):
                for contender in rotated(contenders, i):
                    times[contender.name][index].append(contender.milliseconds(count, index))
    return times


def run_untimed(step: Step, seconds: float) -> None:
    """Run a step, or its `lead_in`, for this long and at least MIN_STEPS times."""
    step = getattr(step, "lead_in", step)
    end, done = time.perf_counter() + seconds, 0
    while done < MIN_STEPS or time.perf_counter() < end:
        step()
        done += 1


def timed(step: Step, count: int, clock: Clock = WALL_CLOCK) -> float:
    """Mean milliseconds of `count` steps, after some untimed ones."""
    run_untimed(step, LEAD_IN)
    began = clock.now()
    for _ in range(count):
        step()
    return clock.milliseconds(began, clock.now()) / count


def main() -> None:
    module, name, *args = sys.argv[1:]
    made = importlib.import_module(module).make_step(name, *args)
    steps, clock = made if isinstance(made, list) else [made], clock_of(name, *args[1:2])
    for step in steps:
        run_untimed(step, WARM_UP / len(steps))
    print("ready", flush=True)
    for line in sys.stdin:
        index, count = map(int, line.split())
        print(timed(steps[index], count, clock), flush=True)


if __name__ == "__main__":
    main()
