"""One process or several that train a recipe, as a contender that times its steps on request.

Run as a program, alone or by mpiexec, this module builds a trainer, steps until its steps are
replayed, and prints "ready". Each input line of rank 0 is a command: "steps N" prints the mean
milliseconds of N steps, "cycle" after how many steps all kinds of step have been taken, "facts" the
sizes of the two gradients in bytes, and "reduce BYTES" the median milliseconds of an all-reduce of
that size. All answers are JSON.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from shutil import which
from typing import Any, Self

import numpy as np

from benchmarks.harness.processes import ROOT
from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.data.image_shapes import POINTS
from gan.data.points.point_set import PointSet
from gan.data.stacked import StackedDigits, random_triples
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import DIGITS, get_recipe
from gan.training.trainer import Trainer
from nn.processes import get_processes

WARM_UP = 2  # steps before the first recording
REPEATS = 50  # all-reduces of one size
IMAGES = 10_000  # where the bundled sample has other shapes; what they show does not matter
THREADS = "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


class Ranks:
    """Processes that time their steps on request.

    Parameters
    ----------
    n : how many; 1 is started without mpiexec
    recipe, batch : what they train
    threads : of each; by default, its share of the cores
    """

    def __init__(self, n: int, recipe: str, batch: int, threads: int | None = None) -> None:
        module = [sys.executable, "-m", "benchmarks.harness.ranks", recipe, str(batch)]
        launcher = [] if n == 1 else [mpiexec(), "-n", str(n)]
        self.n, self.process = (
            n,
            subprocess.Popen(
                launcher + module,
                cwd=ROOT,
                env=os.environ | (dict.fromkeys(THREADS, str(threads)) if threads else {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ),
        )
        self._read()  # "ready"

    def ask(self, command: str) -> Any:
        """The answer to a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RunError(f"benchmark: {self.n} processes ended with {self.process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def mpiexec() -> str:
    """The mpiexec of the installed MPICH, or the first on the path."""
    try:
        found = [each.locate() for each in files("mpich") or () if each.name == "mpiexec"]
    except PackageNotFoundError:
        found = []
    program = str(Path(str(found[0])).resolve()) if found else which("mpiexec")
    if program is None:
        raise RunError("benchmark: expected mpiexec, got none; pip install -e '.[mpi]'")
    return program


def make_trainer(recipe: str, batch: int) -> Trainer:
    """A trainer on data of the recipe's shape, whose clusters are not searched for."""
    chosen = replace(get_recipe(recipe), batch_size=batch)
    images, labels = training_data(chosen)
    ids = ClusterIds(np.arange(IMAGES) % chosen.num_classes) if chosen.clusters else None
    targets = labels if ids is None else ids
    made = Trainer(chosen, images, targets, processes=get_processes())
    if hasattr(made.train_step, "warm_up"):
        made.train_step.warm_up = WARM_UP
    return made


def training_data(recipe: Recipe) -> tuple[Any, np.ndarray | None]:
    """The bundled sample, or random images or points of the recipe's shape; and their labels."""
    if recipe.image_shape == DIGITS:
        return load("mnist-sample", "train", flat=False)
    rng = np.random.default_rng(0)
    if recipe.clusters_per_image > 1:
        digits, _ = load("mnist-sample", "train", flat=False)
        return StackedDigits(digits, random_triples(IMAGES, IMAGES, seed=0)), None
    if recipe.image_shape == POINTS:
        return PointSet(rng.uniform(-1, 1, (IMAGES, 2))), None
    return rng.integers(0, 256, (IMAGES, *recipe.image_shape)).astype(np.uint8), None


def main() -> None:
    """Answer commands until the end of the input."""
    trainer = make_trainer(sys.argv[1], int(sys.argv[2]))
    together = trainer.processes

    def steps(n: int) -> float:
        """Milliseconds of a step, with what `fit` asks the other ranks after each."""
        began = time.perf_counter()
        for _ in range(n):
            trainer.step()
            together.agree(False, 0.0)
        return (time.perf_counter() - began) * 1e3 / n

    def reduce(n_bytes: int) -> float:
        """Milliseconds of an all-reduce, while both ranks wait for nothing else."""
        x, times = np.zeros(max(1, n_bytes // 4), np.float32), []
        for _ in range(REPEATS):
            together.agree()
            began = time.perf_counter()
            together.allreduce_mean_(x, trainer.ops)
            times.append((time.perf_counter() - began) * 1e3)
        return statistics.median(times)

    penalty = trainer.recipe.penalty
    steps(2 + (3 * penalty.every if penalty else WARM_UP + 2))
    answer: Any = "ready"
    while True:
        if together.rank == 0:
            print(json.dumps(answer), flush=True)
        line = together.share(sys.stdin.readline() if together.rank == 0 else None)
        word, *numbers = line.split() or [""]
        if word == "steps":
            answer = steps(int(numbers[0]))
        elif word == "reduce":
            answer = reduce(int(numbers[0]))
        elif word == "cycle":
            answer = math.lcm(penalty.every if penalty else 1, trainer.recipe.n_critic)
        elif word == "facts":
            step = trainer.adversarial_step
            answer = [step.d_grad.nbytes, step.g_grad.nbytes]
        else:
            return


if __name__ == "__main__":
    main()
