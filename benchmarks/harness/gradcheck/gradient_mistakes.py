"""Random mistakes in gradients, each a factor of 1.001 in one place.

Each function puts a mistake into what it is given and returns the mistake's name, or None where
there is nothing of its kind to get wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
from benchmarks.harness.gradcheck.random_networks import Case
from benchmarks.harness.gradcheck.spoiling import spoil, subclass
from nn.cache import Cache
from nn.layers.base import Grads


def mistaken_gradient(rng: np.random.Generator, layer: Any) -> str:
    """dx or one parameter's gradient, in one mode or both."""
    kind: Any = type(layer)
    how = str(rng.choice(["all", "entry", "first axis", "channel", "last axis"]))
    where = rng.random()
    name = str(rng.choice(["x", *layer.parameter_shapes]))
    mode = rng.choice(np.array([None, None, True, False], object))

    def forward(self: Any, x: np.ndarray, cache: Cache, *, train: bool = False) -> np.ndarray:
        cache.mode = train
        return kind.forward(self, x, cache, train=train)

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        other_mode = mode is not None and mode != cache.mode
        if other_mode or (name != "x" and grads == "skip"):
            return kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        before = None if name == "x" else getattr(self, "d" + name).copy()
        dx = kind.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if name == "x":
            if need_dx:
                dx = np.copy(dx)
                spoil(dx, how, where)
            return dx
        grad = getattr(self, "d" + name)
        if grads == "add":
            grad -= before
        spoil(grad, how, where)
        if grads == "add":
            grad += before
        return dx

    subclass(layer, {"forward": forward, "backward": backward})
    what = "dx" if name == "x" else "dparameter"
    return f"{what}, {how}" + ("" if mode is None else ", one mode")


def mistaken_double_backward(rng: np.random.Generator, layer: Any) -> str | None:
    """One of the three derivatives that double_backward computes."""
    kind: Any = type(layer)
    how, where = str(rng.choice(["all", "entry", "channel"])), rng.random()
    if kind.double_backward is nn.Layer.double_backward:
        return None
    names = ["dy"] + ["W"] * ("W" in layer.parameter_shapes)
    names += ["x"] * (kind in (nn.Tanh, nn.Sigmoid))
    name = str(rng.choice(names))

    def double_backward(self: Any, v: np.ndarray, cache: Cache) -> tuple[Any, Any]:
        before = self.dW.copy() if name == "W" else None
        ddy, ddx = kind.double_backward(self, v, cache)
        if name == "W":
            self.dW[...] -= before
            spoil(self.dW, how, where)
            self.dW[...] += before
        elif name == "dy":
            ddy = np.copy(ddy)
            spoil(ddy, how, where)
        else:
            ddx = np.copy(ddx)
            spoil(ddx, how, where)
        return ddy, ddx

    subclass(layer, {"double_backward": double_backward})
    return f"double_backward, dP/d{'(dy)' if name == 'dy' else name}"


def mistaken_network(rng: np.random.Generator, network: Any) -> str | None:
    """What a network does with its layers' gradients."""
    kind: Any = type(network)
    how, where = str(rng.choice(["all", "entry"])), rng.random()
    mistake = ("a network's dx", "a network's dW", "a network that ignores grads")[rng.integers(3)]
    is_dx = mistake == "a network's dx"
    if kind is not nn.Sequential or not (is_dx or network.n_parameters):
        return None

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        passed_on = "write" if mistake == "a network that ignores grads" else grads
        dx: Any = kind.backward(self, dy, cache, grads=passed_on, need_dx=need_dx)
        if is_dx and need_dx:
            dx = np.copy(dx)
            spoil(dx, how, where)
        if mistake == "a network's dW" and grads == "write":
            first = next(part for _, part in self.modules() if "W" in part.parameter_shapes)
            spoil(first.dW, how, where)
        return dx

    subclass(network, {"backward": backward})
    return mistake


def mistaken_loss(rng: np.random.Generator, case: Case) -> str | None:
    """The gradient of a loss."""
    if case.loss is None:
        return None
    kind: Any = type(case.loss)
    how, where = str(rng.choice(["all", "entry"])), rng.random()

    class Mistaken(kind):
        def __call__(self, y: np.ndarray, target: Any, cache: Cache) -> tuple[Any, np.ndarray]:
            value, dy = super().__call__(y, target, cache)
            spoil(dy, how, where)
            return value, dy

    case.loss = Mistaken()
    return f"loss, {how}"
