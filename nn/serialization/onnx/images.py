"""ONNX forms of layers that resize images channel by channel."""

import numpy as np

from nn.layers.global_pooling import GlobalAvgPool2d
from nn.layers.pooling import AvgPool2d, MaxPool2d, Pool2d, Upsample
from nn.serialization.onnx.forms import onnx_form
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


@onnx_form(MaxPool2d)
def max_pool(layer: MaxPool2d, graph: Graph, x: str, shape: Shape) -> str:
    """A MaxPool node."""
    return _pool("MaxPool", layer, graph, x)


@onnx_form(AvgPool2d)
def avg_pool(layer: AvgPool2d, graph: Graph, x: str, shape: Shape) -> str:
    """An AveragePool node in which padding counts as zeros."""
    return _pool("AveragePool", layer, graph, x, count_include_pad=1)


def _pool(kind: str, layer: Pool2d, graph: Graph, x: str, **attributes: int) -> str:
    kernel, strides, pads = layer.kernel_hw, layer.stride_hw, 2 * layer.padding_hw
    return graph.node(kind, x, kernel_shape=kernel, strides=strides, pads=pads, **attributes)


@onnx_form(GlobalAvgPool2d)
def global_avg_pool(layer: GlobalAvgPool2d, graph: Graph, x: str, shape: Shape) -> str:
    """The mean over H and W, without these axes."""
    return graph.node("ReduceMean", x, axes=[2, 3], keepdims=0)


@onnx_form(Upsample)
def upsample(layer: Upsample, graph: Graph, x: str, shape: Shape) -> str:
    """A Resize node that takes the pixel at (h // fh, w // fw)."""
    scales = graph.constant(np.array([1, 1, *layer.factor_hw], np.float32))
    return graph.node(
        "Resize",
        *(x, "", scales),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
