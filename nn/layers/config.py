"""A layer as plain data: its settings, its repr, and its config in a weights file."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from nn.errors import ByhandError, WeightsError

LAYERS: dict[str, type[Configurable]] = {}  # the package's layers, by their names in weights files


class Configurable:
    """What is made from settings alone: each constructor argument is an attribute of that name."""

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, by name."""
        arguments = inspect.signature(type(self)).parameters
        values = {name: getattr(self, name) for name in arguments if hasattr(self, name)}
        return {name: v for name, v in values.items() if _differs(v, arguments[name].default)}

    def __repr__(self) -> str:
        arguments = inspect.signature(type(self)).parameters
        shown, settings = [], self.settings()
        for name, argument in arguments.items():
            if not hasattr(self, name):  # an own layer did not store it
                shown.append("...")
            elif name in settings:
                required = argument.default is inspect.Parameter.empty
                shown.append(f"{settings[name]!r}" if required else f"{name}={settings[name]!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def to_config(self) -> dict[str, Any]:
        """The layer's class and settings as JSON types, without values and initializers.

        Raises
        ------
        WeightsError
            If an argument of your own class is not stored under its name, or not as plain Python
            values, or the class has the name of one of the package's layers.
        """
        kind = self.type_name()
        config: dict[str, Any] = {"type": kind}
        self._check_is_stored()
        for name, value in self.settings().items():
            if name != "init":
                try:
                    config[name] = _encoded(value)
                except TypeError as problem:
                    raise WeightsError(
                        f"{kind}: expected self.{name} as numbers, text, layers or tuples "
                        f"of them, for a weights file, got {problem}; keep arrays in "
                        "statistic_shapes and functions in the class"
                    ) from None
        return config

    def type_name(self) -> str:
        """The name of the class in a file; `WeightsError` if it is another class's there."""
        name = type(self).__name__
        if LAYERS.get(name, type(self)) is not type(self):
            raise WeightsError(
                f"{self!r} cannot be saved: in a file, {name} is the "
                "package's own class; rename yours"
            )
        return name

    def _check_is_stored(self) -> None:
        """Raise unless the constructor can be called again with attributes of the layer."""
        owner = type(self).__name__
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        bases = type(self).__mro__
        overrides = any("from_settings" in vars(k) for k in bases if k is not Configurable)
        for name, argument in inspect.signature(type(self)).parameters.items():
            if argument.kind not in by_name and not overrides:
                raise WeightsError(
                    f"{owner}: expected a constructor with arguments that have names, for a "
                    f"weights file, got {argument}; name each one"
                )
            if not hasattr(self, name):
                raise WeightsError(
                    f"{owner}: expected its argument {name} as an attribute, for a weights file, "
                    f"got none; write self.{name} = {name} in __init__"
                )

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


def _differs(value: Any, default: Any) -> bool:
    """Whether a setting is not its default; arrays always differ."""
    try:
        return bool(value != default)
    except ValueError:
        return True


def _encoded(value: Any) -> Any:
    """A setting for JSON, layers as their configs; `TypeError` names what JSON cannot hold."""
    if isinstance(value, Configurable):
        return value.to_config()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        items = map(_encoded, value)
        return list(items) if isinstance(value, list) else tuple(items)
    if isinstance(value, dict) and "type" not in value and all(isinstance(k, str) for k in value):
        return {name: _encoded(item) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(repr(value) if isinstance(value, dict) else type(value).__name__)


def _decoded(value: Any, classes: Mapping[str, type[Configurable]]) -> Any:
    """A setting from JSON: configs as layers, lists as tuples."""
    if isinstance(value, dict):
        if "type" in value:
            return _make(value, classes)
        return {name: _decoded(item, classes) for name, item in value.items()}
    return tuple(_decoded(item, classes) for item in value) if isinstance(value, list) else value


def _make(config: Any, classes: Mapping[str, type[Configurable]]) -> Any:
    """The layer of a config, of these classes only."""
    if not isinstance(config, dict) or not isinstance(name := config.get("type"), str):
        raise WeightsError(f"expected the config of a layer, got {str(config)[:80]}")
    if name not in classes:
        name = name[:80]
        own = f"; if it is a class of your own, load the file in Python with layers=[{name}]"
        raise WeightsError(
            f"expected layers of the package, got {name!r}{own if name.isidentifier() else ''}"
        )
    try:
        settings = {key: _decoded(v, classes) for key, v in config.items() if key != "type"}
        return classes[name].from_settings(settings)
    except WeightsError:  # of a layer inside
        raise
    except (TypeError, KeyError, ByhandError) as problem:
        raise WeightsError(f"the config of a {name} does not make one ({problem})") from None
