"""What a user sets, as plain Python numbers: whatever builds can be printed, saved and copied.

A NumPy scalar, or an array of no dimensions, is the number that it holds; a list or a vector is a tuple. Anything else is
refused where it is given. `owner` is what errors call the layer or optimizer, `name` the setting.
"""

import math
from numbers import Integral, Real

import numpy as np

from nn.errors import ShapeError


def whole(owner, name, value, least=1):
    """The setting as an int of at least `least`."""
    number = plain(value)
    if not is_whole(number, least):
        raise ShapeError(f"{owner}: expected {name} as a whole number of at least {least}, got {value!r}")
    return int(number)


def real(owner, name, value, what="as a finite number", holds=lambda number: True):
    """The setting as a finite float for which `holds` holds, which `what` says in words."""
    number = plain(value)
    if isinstance(number, Real) and not isinstance(number, bool):
        try:
            number = float(number)
        except OverflowError:  # an int beyond every float
            number = math.inf
        if math.isfinite(number) and holds(number):
            return number
    raise ShapeError(f"{owner}: expected {name} {what}, got {value!r}")


def flag(owner, name, value):
    """The setting as a bool."""
    if not isinstance(plain(value), bool):
        raise ShapeError(f"{owner}: expected {name} as True or False, got {value!r}")
    return bool(value)


def sizes(owner, name, value):
    """The shape of one sample, as a tuple of ints of at least 1; a number alone is the length of a vector."""
    given = plain(value)
    given = given if isinstance(given, tuple) else (given,)
    if not given or not all(is_whole(size, 1) for size in given):
        raise ShapeError(f"{owner}: expected {name} as whole numbers of at least 1, got {value!r}")
    return tuple(map(int, given))


def pair(owner, name, value, least):
    """(setting, (vertical, horizontal)) of an int or a pair: what a layer shows, an int or a pair too, and what it works with."""
    given = plain(value)
    both = given if isinstance(given, tuple) else (given, given)
    if len(both) != 2 or not all(is_whole(size, least) for size in both):
        raise ShapeError(f"{owner}: expected {name} to be an int of at least {least}, or two, got {value!r}")
    both = tuple(map(int, both))
    return (both if isinstance(given, tuple) else both[0]), both


def initializer(owner, value):
    """The setting as it is: None, or what draws an array (nn/initializers.py)."""
    if value is not None and (isinstance(value, type) or not callable(value)):
        raise ShapeError(f"{owner}: expected init to be an initializer, such as HeNormal(), or None, got {value!r}")
    return value


def plain(value):
    """Without NumPy's types and lists: Python's own number, or a tuple of them; anything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def is_whole(number, least):
    return isinstance(number, Integral) and not isinstance(number, bool) and number >= least
