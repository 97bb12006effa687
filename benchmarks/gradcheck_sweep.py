"""How reliable is gradcheck? It must accept random right networks and find every mistake.

    python -m benchmarks.gradcheck_sweep --networks 1000 --processes 2

A mistake is a factor of 1.001 in one nonzero gradient, or one broken promise of the layer protocol.
The factor applies to a whole array, one entry, channel or sample, one term of a formula, or to the
gradient of a loss, of a network or of double_backward, in one mode or in both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small networks, and a process for each core

import numpy as np  # noqa: E402

from benchmarks.harness.gradcheck.mistaken_cases import mistaken_case  # noqa: E402
from benchmarks.harness.gradcheck.random_networks import random_case  # noqa: E402

RIGHT, MISTAKEN = "right", "mistaken"


class Result(NamedTuple):
    """The result of one check.

    seed : of the network
    mistake : its name
    seconds : that the check took
    failure : the report of a false alarm or a missed mistake, else None
    """

    seed: int
    mistake: str | None
    seconds: float
    failure: str | None


def check(task: tuple[str, int]) -> Result:
    """Check the network of a kind, RIGHT or MISTAKEN, and a seed."""
    kind, seed = task
    case = random_case(seed) if kind == RIGHT else mistaken_case(seed)
    began = time.perf_counter()
    report = case.check()
    seconds = time.perf_counter() - began
    is_expected = report.ok == (kind == RIGHT)
    failure = None if is_expected else f"{case.chain} {case.x.shape}\n{report}"
    return Result(seed, case.mistake, seconds, failure)


def summarize(kind: str, results: Iterable[Result]) -> int:
    """Print failures as they come, then a summary; returns the number of failures."""
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    seconds = []
    for result in results:
        mistake = str(result.mistake)
        counts[mistake] += 1
        seconds.append(result.seconds)
        if result.failure is not None:
            failures[mistake] += 1
            print(f"--- seed {result.seed}, {mistake}\n{result.failure}", flush=True)
    bad = "false alarms" if kind == RIGHT else "missed"
    print(
        f"{kind}: {counts.total()} networks, {failures.total()} {bad}; a check took "
        f"{1e3 * np.median(seconds):.0f} ms (median), {max(seconds):.1f} s at most",
        flush=True,
    )
    if kind == MISTAKEN:
        for mistake, n in sorted(counts.items()):
            print(f"{n:6} {mistake}: {failures[mistake]} missed")
    return failures.total()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add(
        "--networks",
        type=int,
        default=1000,
        help="number of right, and of mistaken, networks (default: %(default)s)",
    )
    add("--processes", type=int, default=1, help="(default: %(default)s)")
    add(
        "--seed",
        type=int,
        default=0,
        help="of the first network; the next ones count up (default: %(default)s)",
    )
    args = parser.parse_args()
    seeds = range(args.seed, args.seed + args.networks)
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        failures = [
            summarize(kind, pool.imap(check, [(kind, seed) for seed in seeds]))
            for kind in (RIGHT, MISTAKEN)
        ]
    sys.exit(any(failures))


if __name__ == "__main__":
    main()
