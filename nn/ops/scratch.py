"""Working memory of a backend."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


class Scratch(threading.local):
    """Buffers for use inside one primitive. Each thread has its own.

    A thread's buffers are freed when it ends.
    """

    def __init__(self, empty: Callable[..., Any]) -> None:  # runs again in each thread that uses it
        self.empty = empty
        self.buffers: dict[tuple[str, Any], Any] = {}

    def __call__(self, shape: tuple[int, ...], dtype: Any, name: str = "") -> Any:
        """An uninitialised array of this shape.

        Arrays in use at the same time need different names.

        The same memory is returned each time, as long as it does not grow: the smaller last batch
        of an epoch allocates nothing.
        """
        key = name, np.dtype(dtype)
        held, views = self.buffers.get(key, (None, None))
        if held is None or held.size < math.prod(shape):
            held, views = self.buffers[key] = self.empty((math.prod(shape),), dtype), {}
        if shape not in views:
            views[shape] = held[: math.prod(shape)].reshape(shape)
        return views[shape]

    def ones(self, n: int, dtype: Any) -> np.ndarray:
        """A row (1, n) of ones, on the CPU."""
        key = "ones", dtype
        held = self.buffers.get(key)
        if held is None or held.size < n:
            held = self.buffers[key] = np.ones((1, n), dtype)
        return held[:, :n]
