"""A network as an ONNX model, and the file that holds it."""

from __future__ import annotations

from os import PathLike
from typing import Any

from nn.errors import ShapeError, WeightsError
from nn.layers.base import Layer
from nn.serialization.files import atomic_write
from nn.serialization.onnx.graph import Graph
from nn.settings import Shape


def to_onnx(network: Layer, *, input_shape: Shape | None = None) -> Any:
    """The ONNX model of a built network, or of a layer, in evaluation mode.

    Its input is "x", its output "y", both float32 with a first axis of any size.

    Parameters
    ----------
    network : Layer
    input_shape : tuple of int, optional
        The shape of one sample of x; needed only where the network does not fix it.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    MissingLibraryError
        If the library onnx is not installed.
    ShapeError
        If the shape of x is not known, or does not fit.
    WeightsError
        If the network has no memory, a layer without an ONNX form (see `onnx_form`), or values that
        are not finite.
    """
    if network.ops is None:
        raise WeightsError("to_onnx: expected a built network; call .build(seed=...) first")
    shape = network.input_shape if input_shape is None else tuple(input_shape)
    if shape is None:
        raise ShapeError(
            f"{network.label}: expected a network that fixes the shape of its input, got one that "
            "takes any; pass input_shape, the shape of one sample"
        )
    graph = Graph(network.path)
    y = graph.layer(network, graph.input("x", shape, "the input"), shape)
    graph.output("y", y, network.output_shape(shape), "the output")
    return graph.model("a network in evaluation mode")


def save_onnx(path: str | PathLike[str], model: Any) -> None:
    """Write a model to a file, which appears whole or not at all.

    Parameters
    ----------
    path : str or path
    model : onnx.ModelProto
    """
    with atomic_write(path) as file:
        file.write(model.SerializeToString(deterministic=True))
