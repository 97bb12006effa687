"""The base of layers that consist of layers: they are built, cached and copied together."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Layer
from nn.layers.binding import AdoptedLayer
from nn.layers.described import check_described
from nn.ops.base import Array, Ops, Stream
from nn.parameters import Parameters, Part


class Container(Layer):
    """A layer whose parameters are those of its layers.

    Attributes
    ----------
    layers : tuple of Layer
    """

    layers: tuple[Any, ...] = ()

    def modules(self, path: str = "") -> Iterator[tuple[str, Any]]:
        for i, layer in enumerate(self.layers):
            yield from layer.modules(f"{path}{i}.")

    def cache(self, *, tracks_statistics: bool = True, double_backward: bool = False) -> Cache:
        modes = {"tracks_statistics": tracks_statistics, "double_backward": double_backward}
        cache = super().cache(**modes)
        cache.parts = [layer.cache(**modes) for layer in self.layers]
        return cache

    def bind(
        self, parameters: Parameters | Part, ops: Ops[Any], stream: Stream[Any], path: str
    ) -> None:
        super().bind(parameters, ops, stream, path)
        for i, layer in enumerate(self.layers):
            layer.bind(parameters.part({f"{i}.": ""}), ops, stream, f"{path}.{i}")

    def unbind(self) -> None:
        super().unbind()
        for layer in self.layers:
            layer.unbind()

    def adopt(self, whole: Parameters | None) -> list[AdoptedLayer]:
        layers, adopted = [], []
        for layer in self.layers:
            if layer.parameters and layer.parameters.whole is not whole:
                layer = copy.deepcopy(layer)
                adopted += [(m.label, m, _arrays(m)) for _, m in layer.modules()]
                layer.unbind()
            else:
                adopted += layer.adopt(whole)
            layers.append(layer)
        self.layers = tuple(layers)
        return adopted


def _arrays(layer: Any) -> dict[str, Array]:
    """A layer's parameters and statistics on the host, by name."""
    names = layer.parameter_shapes | layer.statistic_shapes
    return {name: layer.ops.to_host(getattr(layer, name)) for name in names}


def check_layers(owner: str, layers: tuple[Any, ...]) -> None:
    """Raise unless these are layers, each a separate object; `owner` names their container."""
    for layer in layers:
        if not isinstance(layer, Layer):
            remedy = "pass the layers themselves"
            if isinstance(layer, type) and issubclass(layer, Layer):
                remedy = f"make one of this class: {layer.__name__}(...)"
            elif isinstance(layer, list | tuple):
                remedy = "unpack it: Sequential(*layers)"
            raise ShapeError(f"{owner}: expected layers, got {layer!r}; {remedy}")
        check_described(layer)
    seen = set()
    for _, module in (pair for layer in layers for pair in layer.modules()):
        if id(module) in seen:
            raise ShapeError(
                f"{owner}: expected layers that are each a separate object, got {module.label} "
                "twice; make a second one"
            )
        seen.add(id(module))
