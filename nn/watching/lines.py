"""The lines of a method that run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any


def lines_of(
    kind: type, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Any, frozenset[int] | None]:
    """What a method returns, and the lines of its own source that ran; None if they are unknown."""
    code = getattr(inspect.unwrap(getattr(kind, name)), "__code__", None)
    if code is None or sys.gettrace() is not None:
        return method(*args, **kwargs), None
    lines: set[int] = set()

    def inside(frame: Any, event: str, arg: Any) -> Any:
        if event == "line":
            lines.add(frame.f_lineno)
        return inside

    sys.settrace(lambda frame, event, arg: inside if frame.f_code is code else None)
    try:
        return method(*args, **kwargs), frozenset(lines)
    finally:
        sys.settrace(None)
