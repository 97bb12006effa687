"""The recorder: the kernels that a step calls, in order, with their arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nn.ops.numba.capture.cutting import Part, Passes

SHARED = "conv.columns", "conv.shares"  # working memory that stays in the cores' caches


@dataclass(eq=False)
class Call:
    """A primitive: passes, or none, where a program calls it from Python.

    Parameters
    ----------
    method, args, kwargs : the call
    passes : each in parts that do not depend on each other
    is_noted : whether the passes are all that it does
    """

    method: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    passes: list[list[Part]] = field(default_factory=list)
    is_noted: bool = True

    def from_python(self) -> None:
        """Call the primitive as it was called."""
        self.method(*self.args, **self.kwargs)


class StepRecorder:
    """Sees the primitives of a step.

    Parameters
    ----------
    scratch : Scratch
        The backend's working memory: each primitive gets its own, so that two can run at once.
    """

    def __init__(self, scratch: Any) -> None:
        self.calls: list[Call] = []
        self._scratch, self._depth = scratch, 0

    def primitive(
        self, method: Callable[..., Any], is_noted: bool, args: tuple[Any, ...], kwargs: Any
    ) -> Any:
        """Call a primitive; `is_noted`: its kernels are all that it does."""
        if self._depth == 0:
            self.calls.append(Call(method, args, kwargs))
            for key in [key for key in self._scratch.buffers if key[0] not in SHARED]:
                del self._scratch.buffers[key]
        self._depth += 1
        self.calls[-1].is_noted &= is_noted
        try:
            return method(*args, **kwargs)
        finally:
            self._depth -= 1

    def kernel(self, passes: Callable[[Any], Passes | None] | None, args: Any) -> None:
        """A kernel is called; `passes` says how a program calls it, None that it cannot."""
        made = passes(args) if passes else None
        call = self.calls[-1]
        if made is None:
            call.is_noted = False
        elif call.is_noted:
            call.passes += made
