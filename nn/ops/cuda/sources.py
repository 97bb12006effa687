"""The CUDA C++ sources in kernels/, and the description of an elementwise kernel.

This module does not import CuPy, so that every kernel can be checked without a GPU.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple


class Elementwise(NamedTuple):
    """An elementwise kernel in the language of CuPy's `ElementwiseKernel`.

    The body runs once for each element, whose index in C order is `i`. T is float or double. Inputs
    broadcast, so a number or a row may accompany a matrix. An output may be read before it is
    written. A `raw` array is indexed by the body.

    Attributes
    ----------
    inputs, outputs : str
        Types and names, as in "T x, raw float64 state".
    body : str
        CUDA C++.
    library : str
        The file in kernels/ whose functions the body calls, without its suffix, or "".
    """

    inputs: str
    outputs: str
    body: str
    library: str = ""

    @property
    def preamble(self) -> str:
        """The text of `library`."""
        return source(self.library) if self.library else ""


@functools.cache
def source(name: str) -> str:
    """The text of kernels/name.cu."""
    return (Path(__file__).parent / "kernels" / f"{name}.cu").read_text(encoding="utf-8")
