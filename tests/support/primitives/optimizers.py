"""Cases of optimizer steps and of clipping."""

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
    for momentum, nesterov, decay in ((0.0, False, 0.0), (0.9, False, 0.1), (0.9, True, 0.2)):
        arrays = {key: normal(SIZE) for key in ("value", "grad", "velocity")}
        settings = {"momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
        settings["step_and_rate"] = step_and_rate()
        yield case("sgd_step_", f"{momentum} {nesterov}", **arrays, **settings)

    for id_, decay in (("", 0.0), ("decay", 0.1)):
        arrays = {"value": normal(SIZE), "grad": normal(SIZE), "square": positive(SIZE)}
        settings = {"decay": 0.99, "eps": 1e-8, "weight_decay": decay}
        yield case("rmsprop_step_", id_, **arrays, **settings, step_and_rate=step_and_rate())

    for steps, beta1, weight_decay in ((0, 0.9, 0.0), (4, 0.5, 0.0), (900, 0.9, 0.01)):
        arrays = {key: normal(SIZE) for key in ("value", "grad", "m")} | {"v": positive(SIZE)}
        settings = {"beta1": beta1, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay}
        yield case(
            "adam_step_", f"{steps}", **arrays, **settings, step_and_rate=step_and_rate(steps)
        )

    # gradients whose squares leave the range of float32
    far = make.array([0.0, 1e-30, -1e-12, 1e10, -1.5e19, 1e20])
    arrays = {"value": normal(6), "grad": far, "square": positive(6)}
    settings = {"decay": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    yield case("rmsprop_step_", "far", **arrays, **settings, step_and_rate=step_and_rate())
    arrays = {"value": normal(6), "grad": far, "m": normal(6), "v": positive(6)}
    settings = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    yield case("adam_step_", "far", **arrays, **settings, step_and_rate=step_and_rate())

    for id_, x, max_norm in (
        ("long", normal(SIZE), 0.5),
        ("short", normal(SIZE), 1e3),
        ("many", normal(100 * SIZE + 3), 2.0),
        ("one", normal(1), 1e-3),
        ("zero", np.zeros_like(normal(5)), 1.0),
        ("far", far, 1.0),
        ("none", normal(0), 1.0),
        ("only measured", make.array([np.inf, 1.0, -2.0]), np.inf),
    ):
        yield case("clip_norm_", id_, x=x, max_norm=max_norm, norm=make.unset(1))
    yield case("clip_value_", "", x=normal(SIZE), limit=0.7)
    yield case("clip_value_", "nan", x=make.array([np.nan, np.inf, -np.inf, -0.0]), limit=2.0)
