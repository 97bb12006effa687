"""Passes through a network, one layer at a time, on NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from nn.cache import Cache
from nn.checking.pullback import random_signs
from nn.layers.base import Layer
from nn.layers.container import Container
from nn.layers.sequential import Sequential
from nn.ops.base import Array


@dataclass
class LayerPass:
    """A layer or network in one pass: what it received, and what its backward pass returned.

    Attributes
    ----------
    layer : Layer
    x : numpy.ndarray
    stream_state : dict
        The state of the random stream before the layer's forward pass.
    train : bool
    parts : list of LayerPass
        The passes through the layers of a network.
    cache : Cache
    dy, dx : numpy.ndarray
        Set by `backward_by_layer`.
    """

    layer: Layer
    x: np.ndarray
    stream_state: dict[str, Any]
    train: bool
    parts: list[LayerPass] = field(default_factory=list)
    cache: Cache = field(init=False)
    dy: np.ndarray = field(init=False)
    dx: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.cache = self.new_cache()

    @property
    def mode(self) -> str:
        return "training" if self.train else "evaluation"

    def new_cache(self, *, double_backward: bool = False) -> Cache:
        return self.layer.cache(tracks_statistics=False, double_backward=double_backward)

    def forward(self, cache: Cache) -> np.ndarray:
        """The forward pass again, with the same random numbers."""
        self.layer.stream.state = self.stream_state
        return cast(np.ndarray, self.layer.forward(self.x, cache, train=self.train))

    def leaves(self) -> list[LayerPass]:
        """The passes through the layers that are not themselves networks, in order."""
        return [leaf for part in self.parts for leaf in part.leaves()] or [self]

    def networks(self) -> list[LayerPass]:
        """The passes through all networks, inner ones first."""
        inner = [network for part in self.parts for network in part.networks()]
        return inner + ([self] if self.parts else [])


def forward_by_layer(layer: Layer, x: np.ndarray, train: bool) -> tuple[np.ndarray, LayerPass]:
    """y, and a record of the pass through each layer."""
    record, y = LayerPass(layer, np.copy(x), layer.stream.state, train), x
    if isinstance(layer, Sequential) and is_chain(layer):
        for inner in layer:
            y, part = forward_by_layer(inner, y, train)
            record.parts.append(part)
        return y, record
    return record.forward(record.cache), record


def backward_by_layer(leaves: list[LayerPass], dy: np.ndarray) -> None:
    """Set dy and dx of each leaf."""
    for leaf in reversed(leaves):
        leaf.dy = np.copy(dy)
        dy = leaf.dx = copied(leaf.layer.backward(np.copy(dy), leaf.cache))


def double_backward_by_layer(
    records: list[LayerPass], dy: np.ndarray, v: np.ndarray
) -> list[np.ndarray]:
    """[dP/dx, dP/d(dy), gradients] of a penalty P on dx, given v = dP/d(dx).

    dP/d(dy) goes up through the layers. What each layer adds to the gradient of its x comes down
    like any gradient.
    """
    caches = [record.new_cache(double_backward=True) for record in records]
    for record, cache in zip(records, caches):
        record.forward(cache)
    for record, cache in zip(reversed(records), reversed(caches)):
        dy = copied(record.layer.backward(np.copy(dy), cache, grads="skip"))
    grad = cast(np.ndarray, records[0].layer.parameters.whole.grad.flat)
    grad[...] = 0
    second_order = []
    for record, cache in zip(records, caches):
        ddy, ddx = record.layer.double_backward(np.copy(v), cache)
        v = cast(np.ndarray, ddy)
        second_order.append(np.zeros_like(record.x) if ddx is None else copied(ddx))
    dx: np.ndarray | None = None
    for record, cache, ddx in zip(reversed(records), reversed(caches), reversed(second_order)):
        if dx is None:
            dx = ddx
        else:
            dx = ddx + cast(np.ndarray, record.layer.backward(dx, cache, grads="add"))
    return [cast(np.ndarray, dx), np.copy(v), grad.copy()]


def is_chain(layer: Layer) -> bool:
    """Whether this is a network that only sends x through its layers."""
    return isinstance(layer, Sequential) and type(layer).forward is Sequential.forward


def has_double_backward(layer: Layer) -> bool:
    """Whether the layer, and each layer inside it, defines `double_backward`."""
    if isinstance(layer, Container) and not all(map(has_double_backward, layer.layers)):
        return False
    if isinstance(layer, Sequential) and is_chain(layer):
        return True
    return type(layer).double_backward not in (Layer.double_backward, Sequential.double_backward)


def own_parameters(layer: Layer) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{name: (value, gradient)}; the name includes the label of a layer inside this one."""
    return {
        key if leaf is layer else f"{leaf.label} {key}": (
            getattr(leaf, key),
            getattr(leaf, "d" + key),
        )
        for _, leaf in layer.modules()
        for key in leaf.parameter_shapes
    }


def own_gradients(layer: Layer) -> list[np.ndarray]:
    """The parameter gradients, as views."""
    return [grad for _, grad in own_parameters(layer).values()]


def copied(array: Array) -> np.ndarray:
    """A copy in the same memory order."""
    return np.copy(cast(np.ndarray, array))


def random_like(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random numbers in the array's shape and memory order."""
    other = np.empty_like(array)
    other[...] = random_signs(array.shape, rng)
    return other
