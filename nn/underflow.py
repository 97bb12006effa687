"""Underflow to 0 is silent, whatever `numpy.seterr` says.

The tail of an exponential, the gradient of a confident discriminator and the squared small
gradients in Adam all fade below the smallest float, as they should. A program that sets
under="raise" for its own arithmetic can still train. Tiny results of one primitive underflow in
later ones, so `quiet` wraps whole passes through networks, losses, optimizer steps and training
steps. Only the outermost of them changes the setting, which takes 3 us. A layer outside a
`Sequential` is not covered.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


class Here(threading.local):
    """Whether this thread is inside a `quiet` function."""

    quiet = False


here = Here()


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Let numbers underflow silently inside the function."""

    @wraps(function)
    def quietly(*args: P.args, **kwargs: P.kwargs) -> R:
        if here.quiet:
            return function(*args, **kwargs)
        here.quiet = True
        try:
            with np.errstate(under="ignore"):
                return function(*args, **kwargs)
        finally:
            here.quiet = False

    return quietly
