"""PyTorch's version of a network: the same layers in the same places, with the same weights.

A layer that is new in `nn` needs one line in MODULES (and in nn/serialization/torch_state.py, if it has weights).
"""

import torch
from torch import nn as torch_nn

from gan.errors import RunError
from nn.serialization.torch_state import to_torch_state

MODULES = {  # by the name of our layer: its module, given the layer and the shape of one sample of its input
    "Dense": lambda layer, shape: torch_nn.Linear(layer.n_in, layer.n_out),
    "Conv2d": lambda layer, shape: torch_nn.Conv2d(*convolution(layer)),
    "ConvTranspose2d": lambda layer, shape: torch_nn.ConvTranspose2d(*convolution(layer), layer.output_padding),
    "BatchNorm": lambda layer, shape: batch_norm(len(shape))(layer.n, eps=layer.eps, momentum=layer.momentum),
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
    """y = x with each sample in another shape."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(len(x), *self.shape)


def convolution(layer):
    return layer.c_in, layer.c_out, layer.kernel, layer.stride, layer.padding


def batch_norm(n_axes):
    """The class for samples of so many axes: PyTorch has one for vectors and one for images."""
    return torch_nn.BatchNorm1d if n_axes == 1 else torch_nn.BatchNorm2d


def peer_of(network, shape):
    """A PyTorch network equal to a built one, for samples of that shape."""
    peer = sequential(network, shape)
    peer.load_state_dict({name: torch.from_numpy(array) for name, array in to_torch_state(network).items()})
    return peer


def sequential(network, shape):
    """Modules like the network's layers, with weights of their own."""
    modules = []
    for layer in network:
        make = MODULES.get(type(layer).__name__)
        if make is None:
            raise RunError(f"{type(layer).__name__}: this layer has no entry in benchmarks/harness/pytorch/networks.py yet")
        modules.append(make(layer, shape))
        shape = layer.output_shape(shape)
    return torch_nn.Sequential(*modules)
