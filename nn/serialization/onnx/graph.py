"""An ONNX graph under construction, and the model that it becomes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nn.errors import WeightsError
from nn.layers.base import Layer
from nn.serialization.libraries import library
from nn.serialization.onnx.forms import form_of
from nn.settings import Shape
from nn.version import __version__

OPSET = 17  # the first with LayerNormalization; ONNX Runtime reads it from 1.12 on
IR_VERSION = 8  # of the file format, as opset 17 has it
BATCH = "N"  # the name of the first axis, which has any size


class Graph:
    """Nodes, constants, inputs and outputs, each by a name of its own.

    All arrays are float32, and numbers of classes are int64. The first axis of inputs and outputs
    is the batch, of any size.

    Parameters
    ----------
    name : str

    Raises
    ------
    MissingLibraryError
        If the library onnx is not installed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._onnx = library("onnx")
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._names: set[str] = set()

    def input(self, name: str, shape: Shape, doc: str, dtype: str = "float32") -> str:
        """Add an input of shape (N, *shape), and return its name."""
        name = self._unused(name)
        self._inputs.append(self._described(name, shape, doc, dtype))
        return name

    def output(self, name: str, value: str, shape: Shape, doc: str) -> None:
        """Make a value, of shape (N, *shape), an output of this name."""
        self._names.add(name)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._described(name, shape, doc, "float32"))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of an ONNX operator with one output, and return the name of the output."""
        name = self._unused(kind)
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def constant(self, values: Any, name: str = "constant") -> str:
        """Add an array, float32 or int64, and return the name it gets."""
        array = np.asarray(values)
        dtype = np.float32 if array.dtype.kind == "f" else np.int64
        name = self._unused(name)
        self._constants[name] = self._onnx.numpy_helper.from_array(array.astype(dtype, "C"), name)
        return name

    def weights(
        self, layer: Layer, name: str, axes: Sequence[int] | None = None, shape: Shape | None = None
    ) -> str:
        """Add a parameter or statistic of a layer.

        Parameters
        ----------
        layer : Layer
            Built.
        name : str
            The attribute, such as "W".
        axes : sequence of int, optional
            Transpose it by these axes.
        shape : tuple of int, optional
            Then reshape it.

        Returns
        -------
        The name of the constant.

        Raises
        ------
        WeightsError
            If it is not finite in float32.
        """
        array = layer.ops.to_host(getattr(layer, name))
        with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused below
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise WeightsError(
                f"{layer.label}: expected {name} finite in float32, got NaN or infinity; "
                "train again"
            )
        array = array if axes is None else array.transpose(axes)
        array = array if shape is None else array.reshape(shape)
        return self.constant(array, f"{layer.path}.{name}")

    def layer(self, layer: Any, x: str, shape: Shape) -> str:
        """Add the nodes of a built layer in evaluation mode, and return the name of y.

        Parameters
        ----------
        layer : Layer
        x : str
            The name of its input.
        shape : tuple of int
            The shape of one sample of x.
        """
        layer.output_shape(shape)  # raises if x does not fit
        return form_of(layer)(layer, self, x, shape)

    def model(self, doc: str, metadata: Mapping[str, str] | None = None) -> Any:
        """The finished model, an `onnx.ModelProto`, which `onnx.checker` has passed."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes, self.name, self._inputs, self._outputs, list(self._constants.values()), doc
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="byhand",
            producer_version=__version__,
        )
        helper.set_model_props(model, dict(metadata or {}))
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _described(self, name: str, shape: Shape, doc: str, dtype: str) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, [BATCH, *shape], doc)

    def _unused(self, name: str) -> str:
        """The name, or the first of name_1, name_2 ... that nothing else has."""
        names = itertools.chain([name], (f"{name}_{k}" for k in itertools.count(1)))
        free = next(each for each in names if each not in self._names)
        self._names.add(free)
        return free
