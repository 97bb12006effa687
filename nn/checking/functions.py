"""Layers and losses as functions with a pullback, for `check_pullback`."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from nn.cache import Cache
from nn.checking.finite_differences import rms
from nn.checking.passes import LayerPass, copied, own_parameters
from nn.checking.pullback import Arrays, Function
from nn.ops.base import Array

LossFunction = Callable[[Array, Any, Cache], tuple[Array, Array]]  # (y, target, cache): (value, dy)


def forward_function(leaf: LayerPass) -> Function:
    """A layer's forward pass, with its backward pass as the pullback."""
    parameters = own_parameters(leaf.layer)

    def pullback(dy: np.ndarray) -> Arrays:
        leaf.forward(leaf.cache)
        dx = cast(np.ndarray, leaf.layer.backward(np.copy(dy), leaf.cache))
        return {"x": dx, **{name: grad for name, (_, grad) in parameters.items()}}

    arrays = {"x": leaf.x, **{name: value for name, (value, _) in parameters.items()}}
    return Function(arrays, lambda: np.copy(leaf.forward(leaf.cache)), pullback)


def loss_function(y: np.ndarray, loss: LossFunction, target: Any, cache: Cache) -> Function:
    """A loss of any y; a copy, because a loss may treat the last layer's own output differently."""
    y = np.copy(y)

    def value() -> np.ndarray:
        return copied(loss(y, target, cache)[0]).reshape(1)

    def pullback(factor: np.ndarray) -> Arrays:
        return {"x": factor * cast(np.ndarray, loss(y, target, cache)[1])}

    return Function({"x": y}, value, pullback, terms=rms(y))


def loss_of_last_layer(leaf: LayerPass, loss: LossFunction, target: Any) -> Function:
    """The loss of the last layer's output, as a function of that layer's input and parameters."""
    layer = forward_function(leaf)

    def value() -> np.ndarray:
        return copied(loss(leaf.forward(leaf.cache), target, leaf.cache)[0]).reshape(1)

    def pullback(factor: np.ndarray) -> Arrays:
        dy = copied(loss(leaf.forward(leaf.cache), target, leaf.cache)[1])
        return layer.pullback(dy * factor)

    logits = rms(leaf.forward(leaf.cache))  # a loss near 0 may be the difference of two of them
    return Function(layer.arrays, value, pullback, terms=logits)


def backward_function(leaf: LayerPass, dy: np.ndarray) -> Function:
    """A layer's backward pass, as a function of dy, x and the parameters.

    Its pullback is `double_backward`.
    """
    parameters, cache = own_parameters(leaf.layer), leaf.new_cache(double_backward=True)

    def dx() -> np.ndarray:
        leaf.forward(cache)
        return copied(leaf.layer.backward(np.copy(dy), cache, grads="skip"))

    def pullback(v: np.ndarray) -> Arrays:
        dx()
        leaf.layer.parameters.grad.flat[...] = 0
        ddy, ddx = leaf.layer.double_backward(np.copy(v), cache)
        return {
            "x": np.zeros_like(leaf.x) if ddx is None else cast(np.ndarray, ddx),
            "dy": cast(np.ndarray, ddy),
            **{name: grad for name, (_, grad) in parameters.items()},
        }

    arrays = {"x": leaf.x, "dy": dy, **{name: value for name, (value, _) in parameters.items()}}
    # dx = dy (1 - y^2) may be small where its terms are not
    return Function(arrays, dx, pullback, terms=rms(dy))
