"""The contract of the backends: what an array is, and every primitive that layers call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Array(Protocol):
    """A NumPy or a CuPy array. Docstrings give shapes; the dtype is the network's unless they say otherwise."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def flags(self) -> Any: ...
    @property
    def T(self) -> Any: ...
    @property
    def reshape(self) -> Callable[..., Any]: ...
    @property
    def transpose(self) -> Callable[..., Any]: ...
    @property
    def astype(self) -> Callable[..., Any]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...
    def __setitem__(self, key: Any, value: Any, /) -> None: ...


class Ops:
    """The base of `NumpyOps`, `CupyOps`, and any backend of your own, which `get_ops` then takes as it is.

    It is empty on purpose. A primitive that a backend lacks shall be an AttributeError there, not the CPU's code at work
    on a GPU's arrays. It holds working memory only: its copy is itself, and what is pickled is how to get it.
    """

    _asked = ()  # what `get_ops` makes the like of it from; a backend of your own has its own way to be pickled

    def __deepcopy__(self, memo):
        return self

    def __reduce_ex__(self, protocol):
        if not self._asked:
            return super().__reduce_ex__(protocol)
        from nn.ops import get_ops  # which is made of this module

        return get_ops, self._asked


def first_line(problem):
    """What an error says, without the listings that CUDA's loaders and compilers append."""
    return str(problem).strip().partition("\n")[0]
