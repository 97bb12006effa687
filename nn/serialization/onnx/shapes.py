"""ONNX forms of layers that only change the shape, or nothing at all in evaluation mode."""

from nn.layers.augmentation import Cutout, RandomShift
from nn.layers.base import Layer
from nn.layers.dropout import Dropout
from nn.layers.reshape import Flatten, Reshape
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(Dropout, RandomShift, Cutout)
def identity(layer: Layer, graph: Graph, x: str, shape: Shape) -> str:
    """y = x, without a node."""
    return x


@onnx_form(Flatten, Reshape)
def reshape(layer: Layer, graph: Graph, x: str, shape: Shape) -> str:
    """A Reshape node that keeps the first axis, which 0 means."""
    return graph.node("Reshape", x, graph.constant([0, *layer.output_shape(shape)]))
