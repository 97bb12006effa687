"""A network in JAX: the same layers as pure functions, and the same weights.

Images are channels-last, (N, H, W, C). A new layer of `nn` needs an entry in LAYERS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array
from jax import numpy as jnp

from benchmarks.harness.jax.convolutions import conv, conv_transpose
from gan.errors import RunError
from nn import Sequential
from nn.arithmetic import ceil_div
from nn.settings import Shape

Weights = dict[str, Array]
# (x, parameters, statistics, key) -> (y, new statistics), in training mode
Function = Callable[[Array, Weights, Weights, Array], tuple[Array, Weights]]


def dense(layer: Any, shape: Shape) -> Function:
    return plain(lambda x, p: x @ p["W"] + p["b"])


def conv2d(layer: Any, shape: Shape) -> Function:
    stride, padding = layer.stride_hw, layer.padding_hw
    return plain(lambda x, p: conv(x, p["W"], stride, padding) + p["b"])


def conv_transpose2d(layer: Any, shape: Shape) -> Function:
    settings = layer.stride_hw, layer.padding_hw, layer.output_shape(shape)[1:]
    return plain(lambda x, p: conv_transpose(x, p["W"], *settings) + p["b"])


def batchnorm(layer: Any, shape: Shape) -> Function:
    eps, momentum = layer.eps, layer.momentum

    def forward(x: Array, p: Weights, statistics: Weights, key: Array) -> tuple[Array, Weights]:
        axes = tuple(range(x.ndim - 1))
        mean, var = x.mean(axes), x.var(axes)
        n = x.size // x.shape[-1]
        batch = {"running_mean": mean, "running_var": var * (n / (n - 1))}
        statistics = {
            name: (1 - momentum) * value + momentum * batch[name]
            for name, value in statistics.items()
        }
        return (x - mean) * (jax.lax.rsqrt(var + eps) * p["W"]) + p["b"], statistics

    return forward


def dropout(layer: Any, shape: Shape) -> Function:
    """Masks from a random byte per element, as in ours, with p rounded to a multiple of 1/256.

    With `jax.random.bernoulli`, which draws a word per element, a step of mlp-dropout takes a fifth
    more processor time.
    """
    dropped = round(256 * layer.p)

    def forward(x: Array, p: Weights, statistics: Weights, key: Array) -> tuple[Array, Weights]:
        if not dropped:
            return x, statistics
        words = jax.random.bits(key, (ceil_div(x.size, 4),), "uint32")
        draws = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[: x.size]
        y = jnp.where(draws.reshape(x.shape) >= dropped, x * (256 / (256 - dropped)), 0)
        return y, statistics

    return forward


def reshape(layer: Any, shape: Shape) -> Function:
    """Ours has channels first in the order of a sample's elements."""
    made = layer.output_shape(shape)

    def forward(x: Array, p: Weights) -> Array:
        x = channels_first(x).reshape(len(x), *made)
        return channels_last(x)

    return plain(forward)


def leaky_relu(layer: Any, shape: Shape) -> Function:
    return plain(lambda x, p: jnp.where(x > 0, x, x * layer.slope))


def plain(function: Callable[[Array, Weights], Array]) -> Function:
    """A layer without randomness or statistics."""
    return lambda x, p, statistics, key: (function(x, p), statistics)


LAYERS: dict[str, Callable[[Any, Shape], Function]] = {
    # by the name of our layer; arguments are the layer and the shape of a sample of x
    "Dense": dense,
    "Conv2d": conv2d,
    "ConvTranspose2d": conv_transpose2d,
    "BatchNorm": batchnorm,
    "LeakyReLU": leaky_relu,
    "ReLU": leaky_relu,  # ours is one with a slope of 0
    "Sigmoid": lambda layer, shape: plain(lambda x, p: jax.nn.sigmoid(x)),
    "Tanh": lambda layer, shape: plain(lambda x, p: jnp.tanh(x)),
    "Dropout": dropout,
    "Flatten": reshape,
    "Reshape": reshape,
}


class Network:
    """A built network's function of x and of its weights, which are lists with a dict per layer.

    Parameters
    ----------
    network : built; its layers have entries in LAYERS
    shape : of a sample of x, channels first
    """

    def __init__(self, network: Sequential, shape: Shape) -> None:
        self.functions: list[Function] = []
        for layer in network:
            name = type(layer).__name__
            if name not in LAYERS:
                raise RunError(
                    f"{name}: expected a layer with an entry in LAYERS of "
                    "benchmarks/harness/jax/networks.py, this one has none; add one"
                )
            self.functions.append(LAYERS[name](layer, shape))
            shape = layer.output_shape(shape)

    def __call__(
        self, x: Array, parameters: list[Weights], statistics: list[Weights], key: Array
    ) -> tuple[Array, list[Weights]]:
        """y in training mode, and the running statistics after it."""
        keys, after = jax.random.split(key, len(self.functions)), []
        for function, p, s, k in zip(self.functions, parameters, statistics, keys):
            x, s = function(x, p, s, k)
            after.append(s)
        return x, after


def parameters_of(network: Sequential) -> list[Weights]:
    """Copies of a network's parameters in JAX's layout."""
    return [_arrays(layer, layer.parameter_shapes) for layer in network]


def statistics_of(network: Sequential) -> list[Weights]:
    """Copies of its running statistics."""
    return [_arrays(layer, layer.statistic_shapes) for layer in network]


def _arrays(layer: Any, names: Any) -> Weights:
    return {name: jnp.array(_last(np.asarray(getattr(layer, name)))) for name in names}


def _last(array: np.ndarray) -> np.ndarray:
    """Weights of both convolutions, (outer, kh, kw, inner) in ours, as (kh, kw, inner, outer)."""
    return array.transpose(1, 2, 3, 0) if array.ndim == 4 else array


def channels_first(x: Array) -> Array:
    """(N, H, W, C) -> (N, C, H, W); vectors are returned unchanged."""
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def channels_last(x: Array) -> Array:
    """(N, C, H, W) -> (N, H, W, C); vectors are returned unchanged."""
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
