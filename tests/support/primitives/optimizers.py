"""Cases of optimizer steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import Arrays, Case, case

SIZE = 1000


def step_and_rate(steps: int = 4) -> np.ndarray:
    """The step count and the learning rate, in float64 for every dtype."""
    return np.array([steps, 0.002])


def cases(make: Arrays) -> Iterator[Case]:
    normal, positive = make.normal, make.positive
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        arrays = {key: normal(SIZE) for key in ("value", "grad", "velocity")}
        settings = {"momentum": momentum, "nesterov": nesterov, "step_and_rate": step_and_rate()}
        yield case("sgd_step_", f"{momentum} {nesterov}", **arrays, **settings)

    arrays = {"value": normal(SIZE), "grad": normal(SIZE), "square": positive(SIZE)}
    settings = {"decay": 0.99, "eps": 1e-8, "step_and_rate": step_and_rate()}
    yield case("rmsprop_step_", "", **arrays, **settings)

    for steps, beta1, weight_decay in ((0, 0.9, 0.0), (4, 0.5, 0.0), (900, 0.9, 0.01)):
        arrays = {key: normal(SIZE) for key in ("value", "grad", "m")} | {"v": positive(SIZE)}
        settings = {"beta1": beta1, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay}
        yield case(
            "adam_step_", f"{steps}", **arrays, **settings, step_and_rate=step_and_rate(steps)
        )

    # gradients whose squares leave the range of float32
    far = make.array([0.0, 1e-30, -1e-12, 1e10, -1.5e19, 1e20])
    arrays = {"value": normal(6), "grad": far, "square": positive(6)}
    settings = {"decay": 0.999, "eps": 1e-8, "step_and_rate": step_and_rate()}
    yield case("rmsprop_step_", "far", **arrays, **settings)
    arrays = {"value": normal(6), "grad": far, "m": normal(6), "v": positive(6)}
    settings = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    yield case("adam_step_", "far", **arrays, **settings, step_and_rate=step_and_rate())
