"""What a watched step did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Event:
    """One thing that a step did.

    Parameters
    ----------
    what : str
        "forward", "backward", "double_backward", "step" of an optimizer, or another method's name.
    of : object
        The layer, for an optimizer too; or the owner of the method.
    arrays : dict of str to numpy.ndarray
        Copies. Forward: x, y, the parameters, and the layer's running statistics after it.
        Backward: dy, dx if there is one, and after it the gradients, dW, unless it skips them; with
        ``grads="add"``, dW_before too. Double backward: v, ddy, ddx if there is one, dW and
        dW_before. What else the layer keeps in its cache has the names that it has there: mask,
        xhat. Step: W before it, dW, the state before and after it, m and m_after, and W_after.
    settings : dict
        Options of the call: train; grads and need_dx.
    within : tuple of str
        What was going on, from the outside in: names of watched methods, labels of containers.
    function : callable or None
        The method that ran, as `inspect.getsource` takes it.
    lines : frozenset of int or None
        The lines of its file that ran. None if a debugger or a coverage tool traces this thread.
    forward : int or None
        For a backward pass, the index of the event whose cache it used.
    """

    what: str
    of: Any
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    function: Callable[..., Any] | None = None
    lines: frozenset[int] | None = None
    forward: int | None = None
