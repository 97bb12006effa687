"""Checks of constructor arguments.

Each returns a plain Python value that can be printed, saved and copied. A NumPy scalar or a 0-d
array becomes the number it holds, a list or a vector becomes a tuple. Anything else raises
`ShapeError`. In each function, `owner` names the layer or optimizer in the message and `name` the
argument.
"""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from nn.errors import ShapeError

Shape = tuple[int, ...]
IntOrPair = int | tuple[int, int]


def integer(owner: str, name: str, value: Any, least: int = 1) -> int:
    """The argument as an int of at least `least`."""
    number = plain(value)
    if not is_integer(number, least):
        raise ShapeError(
            f"{owner}: expected {name} to be an integer of at least {least}, got {value!r}"
        )
    return int(number)


def real(
    owner: str,
    name: str,
    value: Any,
    what: str = "to be a finite number",
    holds: Callable[[float], bool] = lambda number: True,
) -> float:
    """The argument as a finite float that satisfies `holds`, the condition that `what` words."""
    number = plain(value)
    if isinstance(number, Real) and not isinstance(number, bool):
        try:
            number = float(number)
        except OverflowError:  # an int beyond the range of float
            number = math.inf
        if math.isfinite(number) and holds(number):
            return number
    raise ShapeError(f"{owner}: expected {name} {what}, got {value!r}")


def boolean(owner: str, name: str, value: Any) -> bool:
    """The argument as a bool."""
    if not isinstance(plain(value), bool):
        raise ShapeError(f"{owner}: expected {name} to be True or False, got {value!r}")
    return bool(value)


def sample_shape(owner: str, name: str, value: Any) -> Shape:
    """The shape of one sample as a tuple of ints of at least 1; an int is a vector's length."""
    given = plain(value)
    given = given if isinstance(given, tuple) else (given,)
    if not given or not all(is_integer(size, 1) for size in given):
        raise ShapeError(f"{owner}: expected {name} to be integers of at least 1, got {value!r}")
    return tuple(map(int, given))


def pair(owner: str, name: str, value: Any, least: int) -> tuple[IntOrPair, tuple[int, int]]:
    """The argument as it is shown, an int or a pair, and as a pair (vertical, horizontal)."""
    given = plain(value)
    both = given if isinstance(given, tuple) else (given, given)
    if len(both) != 2 or not all(is_integer(size, least) for size in both):
        raise ShapeError(
            f"{owner}: expected {name} to be an integer of at least {least}, or a pair of them, "
            f"got {value!r}"
        )
    vertical, horizontal = int(both[0]), int(both[1])
    return (vertical, horizontal) if isinstance(given, tuple) else vertical, (vertical, horizontal)


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays as numbers and tuples, lists as tuples, the rest unchanged."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def is_integer(number: Any, least: int) -> bool:
    """Whether the number is an int, not a bool, of at least `least`."""
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= least
