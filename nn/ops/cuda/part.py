"""What the parts of `CudaOps` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nn.ops.backend import Backend
from nn.ops.base import Array
from nn.ops.scratch import Scratch


class CudaPart(Backend):
    """Base of the parts. `CudaOps`, which alone knows CuPy, defines the methods declared here."""

    scratch: Scratch

    if TYPE_CHECKING:

        @staticmethod
        def kernel(name: str) -> Callable[..., None]: ...

        def launch(
            self,
            name: str,
            grid: tuple[int, ...],
            block: tuple[int, ...],
            arrays: Sequence[Array],
            *arguments: Array | float,
        ) -> None: ...

        def is_array(self, x: object) -> bool: ...

        def copy_(self, y: Array, x: Array) -> None: ...

        def add_(self, y: Array, x: Array) -> Array: ...

        def gemm(
            self,
            a: Array,
            b: Array,
            *,
            out: Array,
            trans_a: bool = False,
            trans_b: bool = False,
            add: bool = False,
        ) -> Array: ...
