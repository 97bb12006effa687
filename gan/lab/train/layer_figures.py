"""What one sees of a network's layers while it trains: norms, and units that are never active."""

from __future__ import annotations

from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from nn import Adam, LeakyReLU, ReLU, Sequential
from nn.ops import get_ops
from nn.ops.base import Array
from nn.parameters import FlatBuffer


def layer_name(network: Sequential, index: str) -> str:
    """What the page calls a layer, such as "0 Dense", given the start of its parameters' names."""
    return f"{index} {type(network[int(index.split('.')[0])]).__name__}"


def layer_norms(network: Sequential, optimizer: Adam) -> list[dict[str, Any]]:
    """The norms of each layer's parameters, their gradients, and the latest update of Adam.

    The update of a step t is lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps), with the m and
    v that the step has left.

    Parameters
    ----------
    network
        A built network.
    optimizer
        Its optimizer, after a step.

    Returns
    -------
    list
        `layer`, `weights`, `gradients` and `updates` for each layer with parameters.
    """
    ops, parameters = network.ops, network.parameters
    host = get_ops("numpy")
    found: dict[str, dict[str, float]] = {}
    shapes = {name: view.shape for name, view in parameters.value.views.items()}
    flat = {
        "weights": ops.to_host(parameters.value.flat),
        "gradients": ops.to_host(parameters.grad.flat),
        "updates": latest_update(optimizer, ops),
    }
    for what, array in flat.items():
        buffer = FlatBuffer(shapes, host, network.dtype)  # for its layout
        buffer.flat[...] = array
        for name, view in buffer.views.items():
            layer = found.setdefault(name.rpartition(".")[0], {})
            layer[what] = layer.get(what, 0.0) + float((view.astype(np.float64) ** 2).sum())
    return [
        {"layer": layer_name(network, index), **{k: square**0.5 for k, square in squares.items()}}
        for index, squares in found.items()
    ]


def latest_update(optimizer: Adam, ops: Any) -> np.ndarray:
    """What Adam's latest step has subtracted from the parameters; 0 before the first."""
    m, v = (ops.to_host(optimizer.state[name]) for name in ("m", "v"))
    if not (t := optimizer.step_count):
        return np.zeros_like(m)
    m = m * (1 - optimizer.beta1) / (1 - optimizer.beta1**t)  # the optimizer leaves out 1 - beta1
    v = v / (1 - optimizer.beta2**t)
    return optimizer.learning_rate * m / (np.sqrt(v) + optimizer.eps)


def dead_units(network: Sequential, x: Array) -> list[dict[str, Any]]:
    """The share of units of each ReLU and LeakyReLU that no sample makes positive.

    Parameters
    ----------
    network
        A built network; the pass is in evaluation mode.
    x
        (N, ...), its inputs.

    Returns
    -------
    list
        `layer` and `dead`, from 0 to 1. A unit of a convolution is a channel.
    """
    found = []
    for k, layer in enumerate(network):
        if isinstance(layer, ReLU | LeakyReLU):
            rows = network.ops.to_host(x)
            axes = (0, *range(2, rows.ndim))
            dead = float((rows.max(axis=axes) <= 0).mean())
            found.append({"layer": layer_name(network, str(k)), "dead": dead})
        x = layer(x)
    return found
