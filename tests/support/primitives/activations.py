"""Cases of activations and elementwise arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.support.primitives.case import IMAGES, Arrays, Case, case

MATRIX, BATCH = (6, 11), (2, 3, 4, 5)


def cases(make: Arrays) -> Iterator[Case]:
    yield from rectifiers(make)
    yield from sigmoids(make)
    yield from arithmetic(make)


def edges(make: Arrays) -> np.ndarray:
    """Values at which exponentials vanish, overflow or are undefined."""
    large = [88.0, -88.0, 100.0, -100.0, np.inf, -np.inf, np.nan]
    return make.array([0.0, -0.0, 1e-30, -1e-30, *large])


def rectifiers(make: Arrays) -> Iterator[Case]:
    normal, unset, extreme = make.normal, make.unset, edges(make)
    backward = "leaky_relu_backward_"
    for slope in (0.0, 0.2):
        yield case("leaky_relu", f"{slope}", x=normal(*MATRIX), slope=slope, out=unset(*MATRIX))
        yield case("leaky_relu", f"{slope} edges", x=extreme, slope=slope, out=unset(11))
        yield case(backward, f"{slope}", dy=normal(*MATRIX), y=normal(*MATRIX), slope=slope)
        yield case(backward, f"{slope} edges", dy=extreme, y=-np.abs(extreme), slope=slope)
        y = make.array([0.0, -0.0, 1, -1])
        yield case(backward, f"{slope} zero", dy=normal(4), y=y, slope=slope)
    yield case("leaky_relu", IMAGES, x=normal(*BATCH), slope=0.2, out=unset(*BATCH))
    yield case(backward, IMAGES, dy=normal(*BATCH), y=normal(*BATCH), slope=0.2)


def sigmoids(make: Arrays) -> Iterator[Case]:
    normal, positive, unset, extreme = make.normal, make.positive, make.unset, edges(make)
    for name in ("sigmoid", "tanh"):
        yield case(name, "", x=3 * normal(*MATRIX), out=unset(*MATRIX))
        yield case(name, "edges", x=extreme, out=unset(11))
        yield case(name, IMAGES, x=normal(*BATCH), out=unset(*BATCH))
    yield case("tanh_backward_", "", dy=normal(*MATRIX), y=positive(*MATRIX))
    yield case("tanh_backward_", IMAGES, dy=normal(*BATCH), y=positive(*BATCH))
    for id_, shape in (("", MATRIX), (IMAGES, BATCH)):
        x, y, s = (normal(*shape) for _ in range(3))
        yield case("silu_backward_", id_, dy=normal(*shape), y=y, s=s)
        yield case("gelu", id_, x=2 * x, out=unset(*shape), t=unset(*shape))
        yield case("gelu_backward_", id_, dy=normal(*shape), x=2 * x, t=np.tanh(s))
    for id_, x in (
        ("", 3 * normal(*MATRIX)),
        ("undefined", edges(make)[None]),
        ("wide", normal(3, 300)),
        ("far", 500 * normal(4, 3)),
        ("place", make.array(1000 * np.eye(11))),  # of the largest element
    ):
        yield case("softmax", id_, x=x, out=unset(*x.shape))
    for name in ("sigmoid_backward_", "divide_by_sigmoid_slope_"):
        yield case(name, "", dy=normal(*MATRIX), x=3 * normal(*MATRIX))
        yield case(name, "sharp", dy=normal(4), x=make.array([-25.0, 25, -60, 60]))
        yield case(name, "edges", dy=make.array(np.ones(11)), x=extreme)
        far = {"dy": make.array([1, -1, 1, -1]), "x": make.array([-120, 120, -1e3, 1e3])}
        yield case(name, "far", **far)
        yield case(name, IMAGES, dy=normal(*BATCH), x=normal(*BATCH))


def arithmetic(make: Arrays) -> Iterator[Case]:
    normal, positive, unset = make.normal, make.positive, make.unset
    for id_, y in (
        ("", normal(*MATRIX)),
        ("row", normal(11)),
        ("number", -2.0),
        ("column", normal(6, 1)),
    ):
        yield case("multiply", id_, x=normal(*MATRIX), y=y, out=unset(*MATRIX))
    yield case("multiply", IMAGES, x=normal(*BATCH), y=normal(*BATCH), out=unset(*BATCH))
    yield case("subtract", "", x=normal(*MATRIX), y=normal(*MATRIX), out=unset(*MATRIX))
    yield case("divide", "", x=normal(*MATRIX), y=positive(*MATRIX), out=unset(*MATRIX))
    yield case("divide", "one", x=normal(*BATCH), y=positive(1), out=unset(*BATCH))
