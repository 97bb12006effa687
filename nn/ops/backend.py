"""What all backends have in common: how they are copied and pickled."""

from __future__ import annotations

from typing import Any


class Backend:
    """Base of `NumpyOps`, `CudaOps` and any backend of your own; `get_ops` returns it as it is.

    It defines no primitive, on purpose: one that a backend lacks must be an AttributeError, not CPU
    code that runs on GPU arrays. A backend holds working memory only, so a copy is the backend
    itself, and a pickle says how to get it again.
    """

    get_ops_arguments: tuple[Any, ...] = ()  # empty: the subclass defines how it is pickled

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.get_ops_arguments:
            return super().__reduce_ex__(protocol)
        from nn.ops import get_ops  # nn.ops imports this module

        return get_ops, self.get_ops_arguments


def first_line(problem: object) -> str:
    """The first line of an error's message; CUDA's loaders and compilers append listings."""
    return str(problem).strip().partition("\n")[0]
