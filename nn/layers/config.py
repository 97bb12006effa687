"""A layer as plain data: its settings, its repr, and its config in a weights file."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Self

from nn.errors import ByhandError, WeightsError

LAYERS: dict[str, type[Configurable]] = {}  # the package's layers, by their names in weights files


class Configurable:
    """What is made from settings alone: each constructor argument is an attribute of that name."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, by name."""
        arguments = inspect.signature(type(self)).parameters
        values = {name: getattr(self, name) for name in arguments}
        return {name: v for name, v in values.items() if v != arguments[name].default}

    def __repr__(self) -> str:
        arguments = inspect.signature(type(self)).parameters
        shown = []
        for name, value in self.settings().items():
            required = arguments[name].default is inspect.Parameter.empty
            shown.append(f"{value!r}" if required else f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def to_config(self) -> dict[str, Any]:
        """The layer's class and settings as JSON types, without values and initializers.

        Raises
        ------
        WeightsError
            If the class is your own but has the name of one of the package's layers.
        """
        name = type(self).__name__
        if LAYERS.get(name, type(self)) is not type(self):
            raise WeightsError(
                f"{self!r} cannot be saved: in a file, {name} is the "
                "package's own class; rename yours"
            )
        settings = {key: value for key, value in self.settings().items() if key != "init"}
        return {"type": name} | {key: _encoded(value) for key, value in settings.items()}

    @staticmethod
    def from_config(config: Any, layers: Iterable[type[Configurable]] = ()) -> Any:
        """Make the layer that `to_config` described, not yet built.

        Only the package's layers and the classes in `layers` are ever made; nothing is imported.

        Parameters
        ----------
        config : dict
            May come from an untrusted file.
        layers : classes of your own that may occur in it

        Returns
        -------
        Layer

        Raises
        ------
        WeightsError
            If the config names another class, or its settings do not fit the class.
        """
        return _make(config, {layer.__name__: layer for layer in layers} | LAYERS)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """Call the constructor; a class that takes positional arguments only overrides this."""
        return cls(**settings)


def _encoded(value: Any) -> Any:
    """A setting for JSON: a layer inside a layer as its config."""
    return value.to_config() if isinstance(value, Configurable) else value


def _decoded(value: Any, classes: Mapping[str, type[Configurable]]) -> Any:
    """A setting from JSON: configs as layers, lists as tuples."""
    if isinstance(value, dict) and "type" in value:
        return _make(value, classes)
    return tuple(_decoded(item, classes) for item in value) if isinstance(value, list) else value


def _make(config: Any, classes: Mapping[str, type[Configurable]]) -> Any:
    """The layer of a config, of these classes only."""
    if not isinstance(config, dict) or str(config.get("type")) not in classes:
        raise WeightsError(
            f"expected a layer of type {', '.join(classes)}, got {str(config)[:80]}; "
            "if that is a class of your own, pass it as layers=[...]"
        )
    name = str(config["type"])
    try:
        settings = {key: _decoded(v, classes) for key, v in config.items() if key != "type"}
        return classes[name].from_settings(settings)
    except (TypeError, KeyError, ByhandError) as problem:
        raise WeightsError(f"the config of a {name} does not make one ({problem})") from None
