"""Cases of losses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import Arrays, Case, case


def cases(make: Arrays) -> Iterator[Case]:
    yield from of_logits(make)
    yield from undefined(make)
    yield from penalties(make)
    yield from cross_entropies(make)


def of_logits(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    far = [0.0, -0.0, 100.0, -100.0, 25.0, -25.0]
    logits = make.array(np.concatenate([3 * normal(90), far])).reshape(-1, 1)
    labels = make.rng.random(logits.shape).astype(make.dtype)
    sharp = make.array([[0.0], [1.0], [0.5], [1e-20], [0.999]])
    for id_, target in (("real", 1), ("fake", 0.0), ("smoothed", 0.9), ("each", labels)):
        output = {"dz": unset(*logits.shape), "value": unset(1)}
        yield case("bce_with_logits", id_, z=logits, target=target, weight=0.5, **output)
        target = labels[: len(sharp)] if id_ == "each" else target
        output = {"dp": unset(*sharp.shape), "value": unset(1)}
        yield case("bce", id_, p=sharp, target=target, weight=0.5, **output)
    signs = np.sign(logits + 0.5).astype(make.dtype)
    for id_, target in (("real", 1.0), ("fake", -1.0), ("each", signs)):
        output = {"dy": unset(*logits.shape), "value": unset(1)}
        yield case("squared_error", id_, y=logits, target=target, weight=0.5, **output)
        yield case("absolute_error", id_, y=logits, target=target, weight=0.5, **output)
        yield case("hinge", id_, y=logits, target=target, weight=2, **output)
    yield case("mean", "", y=logits, weight=-0.5, dy=unset(*logits.shape), value=unset(1))
    yield case("mean_sigmoid", "sharp", z=logits, out=unset(1))
    many = normal(1000, 1)
    yield case("mean_sigmoid", "", z=many, out=unset(1))
    output = {"dz": unset(1000, 1), "value": unset(1)}
    yield case("bce_with_logits", "many", z=many, target=1.0, weight=1, **output)


def undefined(make: Arrays) -> Iterator[Case]:
    """NaN in the input."""
    unset, lost = make.unset, make.array([[0.5], [np.nan], [-1.0]])
    for name, x, dx in (
        ("bce_with_logits", "z", "dz"),
        ("bce", "p", "dp"),
        ("squared_error", "y", "dy"),
        ("absolute_error", "y", "dy"),
        ("hinge", "y", "dy"),
    ):
        arrays = {x: lost, dx: unset(3, 1), "value": unset(1)}
        yield case(name, "nan", **arrays, target=1.0, weight=1)
    yield case("mean", "nan", y=lost, weight=1, dy=unset(3, 1), value=unset(1))
    yield case("mean_sigmoid", "nan", z=lost, out=unset(1))


def penalties(make: Arrays) -> Iterator[Case]:
    normal, unset = make.normal, make.unset
    for id_, columns, target in (("zero", 3, 0.0), ("one", 300, 1.0)):
        g = np.concatenate([normal(7, columns), 0 * normal(1, columns)])
        output = {"dg": unset(*g.shape), "value": unset(1)}
        yield case("norm_penalty", id_, g=g, target=target, weight=10, **output)
    # gradients whose squares mostly leave the range of float32
    for size in (0.0, 1e-42, 1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e15):
        g = make.array(size * np.array([[1.0, -2, 0], [0.5, 0.5, 3]]))
        for target in (0.0, 1.0):
            output = {"dg": unset(2, 3), "value": unset(1)}
            yield case("norm_penalty", f"{size} {target}", g=g, target=target, weight=20, **output)


def cross_entropies(make: Arrays) -> Iterator[Case]:
    name, inf = "softmax_cross_entropy", np.inf
    classes = make.rng.integers(0, 10, 300)
    for id_, target in (("int64", classes), ("uint8", classes.astype(np.uint8))):
        output = {"dz": make.unset(300, 10), "value": make.unset(1)}
        yield case(name, id_, z=make.normal(300, 10), target=target, weight=0.5, **output)
    smoothed = {"z": make.normal(300, 10), "target": classes, "smoothing": 0.1}
    output = {"dz": make.unset(300, 10), "value": make.unset(1)}
    yield case(name, "smoothed", **smoothed, weight=0.5, **output)
    for id_, z, target in (
        ("minus infinity", [[0, -inf, 1], [-inf, -inf, 2]], [0, 2]),
        ("nan", [[0, 1, np.nan], [0, 1, 2]], [0, 2]),
        ("impossible class", [[-inf, 0, 0], [0, 0, 0]], [0, 2]),
        ("far", [[1e3, 0, -1e3, 1], [2, 2, 2, 2], [-90, 90, 0, 0]], [1, 3, 1]),
    ):
        logits = make.array(z)
        output = {"dz": make.unset(*logits.shape), "value": make.unset(1)}
        yield case(name, id_, z=logits, target=np.array(target), weight=1, **output)
