"""What the passes of a network compute, to see whether a mistake changes any of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.gradcheck.random_networks import Case
from nn.checking.passes import has_double_backward, is_chain, own_gradients

Arrays = list[np.ndarray]


class Footprint(NamedTuple):
    """What one layer receives and computes in a pass.

    layer : a layer, a network or a loss
    x : its input
    stream_state : of its random stream before the pass, None for a loss
    first : y, dx and the parameter gradients; of a loss, the gradient
    second : what `double_backward` computes
    """

    layer: Any
    x: np.ndarray
    stream_state: Any
    first: Arrays
    second: Arrays


def one_pass(layer: Any, x: np.ndarray, stream_state: Any, train: bool) -> tuple[Arrays, Arrays]:
    """What a layer computes for a random dy: `first` and `second` of `Footprint`."""
    rng, double_backward = np.random.default_rng(0), has_double_backward(layer)
    cache = layer.cache(tracks_statistics=False, double_backward=double_backward)
    layer.stream.state = stream_state
    y = np.copy(layer.forward(x, cache, train=train))
    dx = np.copy(layer.backward(rng.standard_normal(y.shape), cache))
    first = [y, dx, *map(np.copy, own_gradients(layer))]
    second: Arrays = []
    if double_backward:
        layer.parameters.grad.flat[...] = 0
        derivatives = layer.double_backward(rng.standard_normal(x.shape), cache)
        second += [np.copy(array) for array in derivatives if array is not None]
        second += map(np.copy, own_gradients(layer))
    return first, second


def add_footprints(layer: Any, x: np.ndarray, train: bool, found: list[Footprint]) -> np.ndarray:
    """Append the footprints of a layer and of the layers in it; returns y."""
    x, state = np.copy(x), layer.stream.state
    y = x
    for part in layer if is_chain(layer) else ():
        y = add_footprints(part, y, train, found)
    footprint = Footprint(layer, x, state, *one_pass(layer, x, state, train))
    found.append(footprint)
    return footprint.first[0]


def footprints(case: Case) -> list[list[Footprint]]:
    """The footprints of all layers, and of the loss, in training and in evaluation."""
    states, modes = [part.stream.state for part in case.chain], []
    for train in (True, False):
        found: list[Footprint] = []
        y = case.x
        for part, state in zip(case.chain, states):
            part.stream.state = state
            y = add_footprints(part, y, train, found)
        if case.loss is not None:
            _, dy = case.loss(y, case.target, case.chain[-1].cache())
            found.append(Footprint(case.loss, y, None, [dy.copy()], []))
        modes.append(found)
    for part, state in zip(case.chain, states):
        part.stream.state = state
    return modes


def differs(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays differ by more than rounding."""
    return bool(np.max(np.abs(a - b), initial=0) > 1e-12 * np.max(np.abs(b), initial=0))


def gradients_differ(right: Case, mistaken: Case) -> bool:
    """Whether a mistake changes any gradient."""
    return any(
        differs(a, b)
        for found, expected in zip(footprints(mistaken), footprints(right))
        for one, other in zip(found, expected)
        for a, b in zip(one.first + one.second, other.first + other.second)
    )


def depends_on_x(footprint: Footprint, train: bool, *, gradients: bool) -> bool:
    """Whether nothing that a layer computes is 0, and y changes with x.

    With `gradients`, a gradient must change too.
    """
    layer, x, state = footprint[:3]
    rng = np.random.default_rng(0)
    other_x = rng.permutation(x.reshape(-1)).reshape(x.shape) * rng.choice([-1, 1], x.shape)
    y, *dys = one_pass(layer, np.copy(x), state, train)[0]
    other_y, *other_dys = one_pass(layer, np.copy(other_x), state, train)[0]
    is_zero = not y.any() or not all(dy.any() for dy in dys)
    if is_zero or not differs(y, other_y):
        return False
    return not gradients or any(map(differs, dys, other_dys))
