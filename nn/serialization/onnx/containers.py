"""ONNX forms of layers that consist of layers."""

from nn.layers.residual import Residual
from nn.layers.sequential import Sequential
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(Sequential)
def sequential(layer: Sequential, graph: Graph, x: str, shape: Shape) -> str:
    """One layer after another."""
    for each in layer.layers:
        x, shape = graph.layer(each, x, shape), each.output_shape(shape)
    return x


@onnx_form(Residual)
def residual(layer: Residual, graph: Graph, x: str, shape: Shape) -> str:
    """y = f(x) + s(x)."""
    shortcut = x if layer.shortcut is None else graph.layer(layer.shortcut, x, shape)
    return graph.node("Add", graph.layer(layer.layer, x, shape), shortcut)
