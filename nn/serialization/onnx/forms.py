"""Which ONNX nodes a layer becomes: a function for each class of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nn.errors import WeightsError
from nn.layers.base import Layer

# Called with (layer, graph, name of x, shape of one sample of x); returns the name of y
Form = Callable[..., str]
FORMS: dict[type[Layer], Form] = {}


def onnx_form(*classes: type[Layer]) -> Callable[[Form], Form]:
    """Decorate the function that writes layers of these classes in their evaluation mode.

    ::

        @onnx_form(Scale)
        def scale(layer, graph, x, shape):
            return graph.node("Mul", x, graph.weights(layer, "s"))

    Parameters
    ----------
    *classes : Layer classes
        Your own, or the package's, whose form is then replaced. The form also stands for subclasses
        that inherit `forward`.
    """

    def register(form: Form) -> Form:
        FORMS.update(dict.fromkeys(classes, form))
        return form

    return register


def form_of(layer: Any) -> Form:
    """The form of a layer.

    Raises
    ------
    WeightsError
        If neither its class nor the one that it inherits `forward` from has one.
    """
    kind = type(layer)
    for base in kind.__mro__:
        if base in FORMS:
            return FORMS[base]
        if "forward" in vars(base):  # classes above compute something else
            break
    raise WeightsError(
        f"{layer.label}: expected a layer with an ONNX form, got {kind.__name__}, which has none; "
        f"write one with @onnx_form({kind.__name__}), from nn.serialization.onnx.forms"
    )
