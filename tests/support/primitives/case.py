"""A test case, and the arrays that cases are made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

IMAGES = "images"  # the id of a case whose arrays of four dimensions are channels-last in memory


class Case(NamedTuple):
    """A call of a primitive.

    Attributes
    ----------
    id : str
        Tells apart the cases of one primitive, or IMAGES.
    primitive : str
        Its name.
    arguments : dict
        By name.
    """

    id: str
    primitive: str
    arguments: dict[str, Any]


def case(primitive: str, id_: str, /, **arguments: Any) -> Case:
    """A case with these arguments."""
    return Case(id_, primitive, arguments)


class Arrays:
    """Makes arrays of one dtype, with the same values each time."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.rng = np.random.default_rng(7)

    def normal(self, *shape: int) -> np.ndarray:
        """Standard normal."""
        return self.rng.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape: int) -> np.ndarray:
        """Uniform on [0.1, 1.1)."""
        return (self.rng.random(shape) + 0.1).astype(self.dtype)

    def unset(self, *shape: int) -> np.ndarray:
        """NaN, for outputs: it spreads if a primitive reads it."""
        return np.full(shape, np.nan, self.dtype)

    def array(self, values: Any) -> np.ndarray:
        """These values."""
        return np.array(values, self.dtype)
