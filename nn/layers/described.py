"""Checks of a layer's own description, made where it joins a network or is built."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from nn.errors import ShapeError
from nn.settings import is_integer

BOUND = ("ops", "dtype", "parameters", "stream", "path")  # attributes that `build` sets
PASSES = {  # what each pass is called with
    "forward": ("(x, cache, *, train=False)", 2, ("train",)),
    "backward": ('(dy, cache, *, grads="write", need_dx=True)', 2, ("grads", "need_dx")),
}


def check_described(layer: Any) -> None:
    """Raise `ShapeError` unless the layer is described as `Layer` asks, so that it can be built."""
    kind: Any = type(layer)
    owner = kind.__name__
    if "parameters" not in vars(layer):
        raise ShapeError(
            f"{owner}: expected an __init__ that calls super().__init__(), got one that does not; "
            "call it in the first line, before attributes are set"
        )
    _check_passes(kind)
    for attribute in ("parameter_shapes", "statistic_shapes"):
        _check_shapes(layer, attribute, getattr(layer, attribute))
    _check_names(layer)


@cache
def _check_passes(kind: Any) -> None:
    """Raise unless the passes of a class take the arguments that networks call them with."""
    for name, (arguments, n_arrays, options) in PASSES.items():
        signature = inspect.signature(getattr(kind, name))
        try:
            signature.bind(None, *[None] * n_arrays, **dict.fromkeys(options))
        except TypeError:
            raise ShapeError(
                f"{kind.__name__}: expected a method {name}{arguments}, besides self, "
                f"got {name}{signature}; give it these arguments"
            ) from None


def _check_shapes(layer: Any, attribute: str, shapes: Any) -> None:
    """Raise unless these are shapes by name."""
    example = f'write self.{attribute} = {{"W": (64, 128)}}'
    if not isinstance(shapes, dict):
        raise ShapeError(
            f"{layer!r}: expected {attribute} as a dict of shapes by name, got {shapes!r}; "
            f"{example}"
        )
    for name, shape in shapes.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise ShapeError(
                f"{layer!r}: expected names of attributes in {attribute}, got {name!r}; {example}"
            )
        if not isinstance(shape, tuple) or not all(is_integer(size, 1) for size in shape):
            raise ShapeError(
                f"{layer!r}: expected {attribute}[{name!r}] as a tuple of integers of at least 1, "
                f"got {shape!r}; the shape of a vector is (3,)"
            )


def _check_names(layer: Any) -> None:
    """Raise if an array, or a gradient, would take the place of another attribute."""
    shapes = layer.parameter_shapes
    names = [*shapes, *(f"d{name}" for name in shapes), *layer.statistic_shapes]
    for name in names:
        present = getattr(layer, name, None)
        is_taken = present is not None and not hasattr(present, "shape")  # not an array of an
        if is_taken or name in BOUND or names.count(name) > 1:  # earlier build
            raise ShapeError(
                f"{layer!r}: expected names of parameters and statistics that nothing else has, "
                f"got {name!r}, which is also an attribute or a gradient; choose another name"
            )
