"""A network in PyTorch: the same layers in the same places, with the same weights.

A new layer of `nn` needs an entry in MODULES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn as torch_nn

from gan.errors import RunError
from nn import Sequential
from nn.serialization.torch_state import to_torch_state
from nn.settings import Shape

MODULES: dict[str, Callable[[Any, Shape], torch_nn.Module]] = {
    # by the name of our layer; arguments are the layer and the shape of a sample of x
    "Dense": lambda layer, shape: torch_nn.Linear(layer.n_in, layer.n_out),
    "Conv2d": lambda layer, shape: torch_nn.Conv2d(*convolution(layer)),
    "ConvTranspose2d": lambda layer, shape: torch_nn.ConvTranspose2d(
        *convolution(layer), layer.output_padding
    ),
    "BatchNorm": lambda layer, shape: batchnorm_type(len(shape))(
        layer.n, eps=layer.eps, momentum=layer.momentum
    ),
    "LeakyReLU": lambda layer, shape: torch_nn.LeakyReLU(layer.slope),
    "ReLU": lambda layer, shape: torch_nn.ReLU(),
    "Sigmoid": lambda layer, shape: torch_nn.Sigmoid(),
    "Tanh": lambda layer, shape: torch_nn.Tanh(),
    "Dropout": lambda layer, shape: torch_nn.Dropout(layer.p),
    "Flatten": lambda layer, shape: torch_nn.Flatten(),
    "Reshape": lambda layer, shape: Reshape(layer.output_shape(shape)),
    "Sequential": lambda layer, shape: sequential(layer, shape),
}


class Reshape(torch_nn.Module):
    """Gives each sample of x another shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(len(x), *self.shape)


def convolution(layer: Any) -> tuple[Any, ...]:
    return layer.c_in, layer.c_out, layer.kernel, layer.stride, layer.padding


def batchnorm_type(n_axes: int) -> type:
    """PyTorch's class for samples with this many axes: vectors or images."""
    return torch_nn.BatchNorm1d if n_axes == 1 else torch_nn.BatchNorm2d


def peer_of(network: Sequential, shape: Shape) -> torch_nn.Sequential:
    """A PyTorch network equal to a built one, for samples of this shape."""
    peer = sequential(network, shape)
    state = {name: torch.from_numpy(array) for name, array in to_torch_state(network).items()}
    peer.load_state_dict(state)
    return peer


def sequential(network: Iterable[Any], shape: Shape) -> torch_nn.Sequential:
    """Modules like the network's layers, with other weights."""
    modules = []
    for layer in network:
        name = type(layer).__name__
        if name not in MODULES:
            raise RunError(
                f"{name}: expected a layer with an entry in MODULES of "
                "benchmarks/harness/pytorch/networks.py, this one has none; add one"
            )
        modules.append(MODULES[name](layer, shape))
        shape = layer.output_shape(shape)
    return torch_nn.Sequential(*modules)
