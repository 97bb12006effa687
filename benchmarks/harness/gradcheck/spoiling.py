"""How a mistake is put into a layer: as an object of a subclass, with a factor in a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FACTOR = 1.001

Methods = dict[str, Callable[..., Any]]


def subclass(layer: Any, methods: Methods) -> None:
    """Turn a layer into an object of a subclass with these methods."""
    layer.__class__ = type("Mistaken" + type(layer).__name__, (type(layer),), methods)


def spoil(array: np.ndarray, how: str, where: float) -> None:
    """Multiply part of an array by FACTOR.

    Parameters
    ----------
    array : changed in place
    how : "all", "entry", or a slice along "first axis", "channel" or "last axis"
    where : a number in [0, 1) that selects the entry or slice
    """
    if how == "all":
        array *= FACTOR
    elif how == "entry":
        array[np.unravel_index(int(where * array.size), array.shape)] *= FACTOR
    else:
        axes = {"first axis": 0, "channel": min(1, array.ndim - 1), "last axis": array.ndim - 1}
        axis = axes[how]
        np.moveaxis(array, axis, 0)[int(where * array.shape[axis])] *= FACTOR
