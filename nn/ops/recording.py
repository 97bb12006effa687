"""A recording of the primitives that a step calls, for backends that can replay them.

Each thread has one place for a recorder. Without one, a recordable primitive runs as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from nn.ops.base import Ops, Stream

# They make or read arrays; a step calls none of them.
NOT_RECORDED = {
    "empty",
    "zeros",
    "is_array",
    "asarray",
    "to_host",
    "all_finite",
    "stream",
    "capture",
}
PRIMITIVES = {
    name
    for protocol in (*Ops.__mro__, Stream)
    for name, value in vars(protocol).items()
    if callable(value) and not name.startswith("_")
} - NOT_RECORDED
THROUGH_OTHERS = {"gemm", "batched_gemm"}  # all that they do is another method's


class Here(threading.local):
    """The recorder of this thread, if any."""

    recorder: Any = None


here = Here()


def aside(method: Callable[..., Any], *args: Any) -> Any:
    """Call a method that the recorder, if any, does not see."""
    recorder, here.recorder = here.recorder, None
    try:
        return method(*args)
    finally:
        here.recorder = recorder


def recordable(method: Callable[..., Any], is_noted: bool) -> Callable[..., Any]:
    """Let this thread's recorder call the primitive."""

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if here.recorder is None:
            return method(*args, **kwargs)
        return here.recorder.primitive(method, is_noted, args, kwargs)

    vars(call)["is_recordable"] = True
    return call


def make_recordable(kind: type, names: Iterable[str], noted_in: str) -> None:
    """Make the methods of these names recordable, in a class and in its bases.

    Those of modules whose name starts with `noted_in` report all they do.
    """
    for each in kind.__mro__:
        for name in set(names) & vars(each).keys():
            method = vars(each)[name]
            is_noted = each.__module__.startswith(noted_in) or name in THROUGH_OTHERS
            if not hasattr(method, "is_recordable"):
                setattr(each, name, recordable(method, is_noted))
