"""The memory that a pass through a network needs, known before any is allocated.

A network described by an untrusted file may need far more than the file's size: a layer without
parameters turns one pixel into a million, or pads an image with them.
"""

import math

from nn.layers.base import Layer
from nn.settings import Shape


def pass_size(network: Layer, shape: Shape) -> int:
    """About how many elements a pass needs per sample: x, each layer's output, and its workspace.

    Parameters
    ----------
    network : Layer
    shape : tuple of int
        The shape of one sample.

    Raises
    ------
    ShapeError
        If a layer cannot take its input.
    """
    return math.prod(shape) + network.pass_size(shape)
