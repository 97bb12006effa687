"""What all backends have in common: copying and pickling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np


class Backend:
    """Base of `NumpyOps`, `CudaOps` and any backend of your own.

    It defines no primitive, so that a primitive that a backend lacks is an AttributeError and never
    CPU code that runs on GPU arrays. A backend holds only working memory: a copy of it is the
    backend itself, and a pickle stores the call that returns it.

    Attributes
    ----------
    get_ops_arguments : tuple
        The arguments of `get_ops` that return this backend. Where it is empty, the subclass defines
        how it is pickled.
    """

    get_ops: ClassVar[Callable[..., Any]]  # nn.ops, which imports the backends, sets it
    get_ops_arguments: tuple[Any, ...] = ()

    def capture(self, step: Callable[[], None]) -> Callable[[], None] | None:
        """Run a step; return None, since this backend has no programs."""
        step()
        return None

    def to_pinned(self: Any, x: Any) -> np.ndarray:
        """An array on the host with the values of x, which a device can copy fast."""
        return np.array(self.to_host(x))

    def from_pinned_(self: Any, x: Any, host: np.ndarray) -> None:
        """x = the array that `to_pinned` returned, in place."""
        self.copy_(x, self.asarray(host))

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.get_ops_arguments:
            return super().__reduce_ex__(protocol)
        return Backend.get_ops, self.get_ops_arguments


def first_line(problem: object) -> str:
    """The first line of an error's message, without the listings that CUDA's tools append."""
    return str(problem).strip().partition("\n")[0]
