"""How a program calls a kernel: in passes, each in parts that do not depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from nn.arithmetic import ceil_div
from nn.ops.numba.threads import POOL

CACHE_LINE = 16  # float32 numbers: parts begin at whole cache lines
WORTH_A_PART = 1 << 12  # elements

Arguments = tuple[Any, ...]


class Part(NamedTuple):
    """A call of a compiled kernel, or of a C function given by its address.

    `reads` and `writes` are the arrays it reads and writes.
    """

    kernel: Any
    args: Arguments
    reads: list[np.ndarray]
    writes: list[np.ndarray]


Passes = Iterable[list[Part]]
Cut = Callable[[Any, tuple[str, ...]], Callable[[Arguments], Passes]]


def whole(writes: str) -> Cut:
    """One pass in one part. `writes` are the names of the arrays that it writes."""

    def cut(kernel: Any, names: tuple[str, ...]) -> Callable[[Arguments], Passes]:
        places = [names.index(name) for name in writes.split()]
        return lambda args: [[part(kernel, args, places)]]

    return cut


def rows(writes: str) -> Cut:
    """One pass, with some rows of all arrays that are as long as the last written in each part."""

    def cut(kernel: Any, names: tuple[str, ...]) -> Callable[[Arguments], Passes]:
        places = [names.index(name) for name in writes.split()]

        def passes(args: Arguments) -> Passes:
            last = args[places[-1]]
            n, ndim = len(last), last.ndim
            is_cut = [isinstance(x, np.ndarray) and x.ndim == ndim and len(x) >= n for x in args]
            parts = POOL.parts if last.size >= WORTH_A_PART else 1
            pieces = []
            for start, end in ranges(n, parts, CACHE_LINE if n >= parts * CACHE_LINE else 1):
                own = tuple(x[start:end] if cut else x for x, cut in zip(args, is_cut))
                pieces.append(part(kernel, own, places))
            return [pieces]

        return passes

    return cut


def as_noted(passes: Callable[[Arguments], Passes]) -> Cut:
    """The passes that a function of the arguments returns."""
    return lambda kernel, names: passes


def part(kernel: Any, args: Arguments, places: list[int]) -> Part:
    """A part that reads all of its arrays, and writes those at these places."""
    arrays = [x for x in args if isinstance(x, np.ndarray)]
    return Part(kernel, args, arrays, [args[place] for place in places])


def ranges(n: int, parts: int, multiple: int) -> list[tuple[int, int]]:
    """n things in at most this many ranges, which begin at multiples of a number."""
    step = ceil_div(n, parts * multiple) * multiple
    return [(start, min(start + step, n)) for start in range(0, n, step)]
