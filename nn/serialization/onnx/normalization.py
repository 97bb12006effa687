"""ONNX forms of the normalizations."""

import numpy as np

from nn.layers.batchnorm import BatchNorm
from nn.layers.groupnorm import GroupNorm
from nn.layers.layernorm import LayerNorm
from nn.layers.pixelnorm import PixelNorm
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(BatchNorm)
def batchnorm(layer: BatchNorm, graph: Graph, x: str, shape: Shape) -> str:
    """A BatchNormalization node with the running statistics."""
    arrays = (graph.weights(layer, name) for name in ("W", "b", "running_mean", "running_var"))
    return graph.node("BatchNormalization", x, *arrays, epsilon=float(layer.eps))


@onnx_form(LayerNorm)
def layernorm(layer: LayerNorm, graph: Graph, x: str, shape: Shape) -> str:
    """A LayerNormalization node over the last axes."""
    arrays = graph.weights(layer, "W"), graph.weights(layer, "b")
    axis = -len(layer.shape)
    return graph.node("LayerNormalization", x, *arrays, axis=axis, epsilon=float(layer.eps))


@onnx_form(GroupNorm)
def groupnorm(layer: GroupNorm, graph: Graph, x: str, shape: Shape) -> str:
    """Instance normalization of groups as channels, then y = W xhat + b by channel."""
    groups = graph.node("Reshape", x, graph.constant([0, layer.groups, -1]))
    ones = graph.constant(np.ones(layer.groups, np.float32))
    zeros = graph.constant(np.zeros(layer.groups, np.float32))
    epsilon = float(layer.eps)
    xhat = graph.node("InstanceNormalization", groups, ones, zeros, epsilon=epsilon)
    xhat = graph.node("Reshape", xhat, graph.constant([0, *shape]))
    W, b = (graph.weights(layer, name, shape=(layer.n, 1, 1)) for name in ("W", "b"))
    return graph.node("Add", graph.node("Mul", xhat, W), b)


@onnx_form(PixelNorm)
def pixelnorm(layer: PixelNorm, graph: Graph, x: str, shape: Shape) -> str:
    """y = x / sqrt(m(x^2) + eps), m over the channels."""
    mean = graph.node("ReduceMean", graph.node("Mul", x, x), axes=[1], keepdims=1)
    eps = graph.constant(np.float32(layer.eps))
    return graph.node("Div", x, graph.node("Sqrt", graph.node("Add", mean, eps)))
