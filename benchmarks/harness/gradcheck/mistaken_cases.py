"""Random networks with one mistake that shows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from benchmarks.harness.gradcheck.footprints import depends_on_x, footprints, gradients_differ
from benchmarks.harness.gradcheck.gradient_mistakes import (
    mistaken_double_backward,
    mistaken_gradient,
    mistaken_loss,
    mistaken_network,
)
from benchmarks.harness.gradcheck.protocol_mistakes import broken_promise
from benchmarks.harness.gradcheck.random_networks import Case, random_case
from benchmarks.harness.gradcheck.term_mistakes import mistaken_term

MISTAKES: dict[str, tuple[Any, float]] = {  # the function that makes it, and how often
    "gradient": (mistaken_gradient, 0.35),
    "term": (mistaken_term, 0.15),
    "promise": (broken_promise, 0.3),
    "double": (mistaken_double_backward, 0.1),
    "network": (mistaken_network, 0.05),
    "loss": (mistaken_loss, 0.05),
}


def mistaken_case(seed: int) -> Case:
    """A random network with one mistake that shows."""
    rng = np.random.default_rng([seed, 1])
    for attempt in itertools.count():
        right, case = random_case([seed, attempt]), random_case([seed, attempt])
        kind = str(rng.choice(list(MISTAKES), p=[share for _, share in MISTAKES.values()]))
        modules, right_modules = modules_of(case), modules_of(right)
        n, part = rng.integers(len(modules)), case.chain[rng.integers(len(case.chain))]
        target = {"loss": case, "network": part}.get(kind, modules[n])
        case.mistake = MISTAKES[kind][0](rng, target)
        if case.mistake is None:
            continue
        if kind == "promise":
            shows = promise_matters(right, right_modules[n], case.mistake)
        else:
            shows = "ignores" in case.mistake or gradients_differ(right, case)
        if shows:
            return case
    raise AssertionError("unreachable")


def modules_of(case: Case) -> list[Any]:
    return [module for part in case.chain for _, module in part.modules()]


def promise_matters(right: Case, layer: Any, mistake: str) -> bool:
    """Whether the passes of the right layer depend on x, so that the broken promise shows."""
    return all(
        depends_on_x(footprint, train, gradients=mistake == "keeps cache in layer")
        for train, found in zip((True, False), footprints(right))
        for footprint in found
        if footprint.layer is layer
    )
