"""Working memory of a backend."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


class Scratch(threading.local):
    """Buffers that are valid within one primitive.

    Each thread has its own, freed when the thread ends.

    Parameters
    ----------
    empty : callable
        Allocates an array, given its shape and dtype.
    """

    def __init__(
        self, empty: Callable[..., Any]
    ) -> None:  # runs in each thread that uses the object
        self.empty = empty
        self.buffers: dict[tuple[str, Any], Any] = {}

    def __call__(self, shape: tuple[int, ...], dtype: Any, name: str = "") -> Any:
        """Return an uninitialized array.

        Each call with the same name and dtype returns the same memory, unless it must grow, so the
        smaller last batch of an epoch allocates nothing. Arrays that are in use at the same time
        need different names.
        """
        key = name, np.dtype(dtype)
        held, views = self.buffers.get(key, (None, None))
        if held is None or held.size < math.prod(shape):
            held, views = self.buffers[key] = self.empty((math.prod(shape),), dtype), {}
        if shape not in views:
            views[shape] = held[: math.prod(shape)].reshape(shape)
        return views[shape]

    def ones(self, n: int, dtype: Any) -> np.ndarray:
        """Return a row (1, n) of ones, on the CPU."""
        key = "ones", dtype
        held = self.buffers.get(key)
        if held is None or held.size < n:
            held = self.buffers[key] = np.ones((1, n), dtype)
        return held[:, :n]
