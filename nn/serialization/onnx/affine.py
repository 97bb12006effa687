"""ONNX forms of layers that multiply by a matrix, or select its rows."""

import copy

import numpy as np

from nn.layers.conv import Conv2d
from nn.layers.conv_transpose import ConvTranspose2d
from nn.layers.convolution import Convolution
from nn.layers.dense import Dense
from nn.layers.embedding import Embedding
from nn.layers.spectral_norm import SpectralNorm
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape

OUTER_INNER_KERNEL = (0, 3, 1, 2)  # the axes of ONNX's weight, from (outer, kh, kw, inner) here
INT64 = 7  # onnx.TensorProto.INT64


@onnx_form(Dense)
def dense(layer: Dense, graph: Graph, x: str, shape: Shape) -> str:
    """y = x W + b."""
    return graph.node("Gemm", x, graph.weights(layer, "W"), graph.weights(layer, "b"))


@onnx_form(Conv2d)
def conv(layer: Conv2d, graph: Graph, x: str, shape: Shape) -> str:
    """A Conv node."""
    return _convolution("Conv", layer, graph, x)


@onnx_form(ConvTranspose2d)
def conv_transpose(layer: ConvTranspose2d, graph: Graph, x: str, shape: Shape) -> str:
    """A ConvTranspose node."""
    extra = layer.output_padding_hw
    return _convolution("ConvTranspose", layer, graph, x, output_padding=extra)


def _convolution(
    kind: str, layer: Convolution, graph: Graph, x: str, **attributes: tuple[int, int]
) -> str:
    W = graph.weights(layer, "W", axes=OUTER_INNER_KERNEL)
    return graph.node(
        kind,
        *(x, W, graph.weights(layer, "b")),
        kernel_shape=layer.kernel_hw,
        strides=layer.stride_hw,
        pads=2 * layer.padding_hw,
        **attributes,
    )


@onnx_form(SpectralNorm)
def spectral_norm(layer: SpectralNorm, graph: Graph, x: str, shape: Shape) -> str:
    """The layer inside, with W / sigma as its weight."""
    inner = copy.copy(layer.layer)
    inner.W = layer.normalized_weight()
    return graph.layer(inner, x, shape)


@onnx_form(Embedding)
def embedding(layer: Embedding, graph: Graph, x: str, shape: Shape) -> str:
    """y = W[round(x)], NaN for a number outside 0..n-1."""
    zero, last = graph.constant(np.float32(0)), graph.constant(np.float32(layer.n - 1))
    row = graph.node("Round", x)
    above, below = graph.node("GreaterOrEqual", row, zero), graph.node("LessOrEqual", row, last)
    inside = graph.node("And", above, below)
    index = graph.node("Cast", graph.node("Where", inside, row, zero), to=INT64)
    y = graph.node("Gather", graph.weights(layer, "W"), index)
    inside = graph.node("Unsqueeze", inside, graph.constant([-1]))
    return graph.node("Where", inside, y, graph.constant(np.float32(np.nan)))
