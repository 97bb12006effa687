"""The CUDA C++ sources in kernels/, and what an elementwise kernel is.

Nothing here imports CuPy, so a machine without a GPU can check every kernel.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple


class Elementwise(NamedTuple):
    """An elementwise kernel in the language of CuPy's `ElementwiseKernel`.

    The body runs once for each element. T is float or double; inputs broadcast, so a number or a
    row may accompany a matrix; an output may be read before it is written; a `raw` array is indexed
    explicitly, and `i` is the element's index in C order.
    """

    inputs: str
    outputs: str
    body: str
    library: str = ""  # the file in kernels/ whose functions the body calls

    @property
    def preamble(self) -> str:
        return source(self.library) if self.library else ""


@functools.cache
def source(name: str) -> str:
    """The text of kernels/name.cu."""
    return (Path(__file__).parent / "kernels" / f"{name}.cu").read_text(encoding="utf-8")
