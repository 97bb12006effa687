"""Test cases for every primitive, run on each backend.

After the call, *every* array among the arguments is compared with the reference's, so that an array
that must not be written is checked too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nn.ops import NumpyOps
from nn.ops.backend import Backend
from nn.ops.base import Ops
from tests.support.primitives import (
    activations,
    arrays,
    augmentation,
    conv,
    losses,
    normalization,
    optimizers,
    pooling,
    products,
)
from tests.support.primitives.case import IMAGES, Arrays, Case

__all__ = [
    "CONTRACT",
    "ELSEWHERE",
    "IMAGES",
    "NAMES",
    "of",
    "on_device",
    "public",
    "reference",
    "run",
]

THEMES = (
    arrays,
    products,
    conv,
    pooling,
    augmentation,
    activations,
    normalization,
    losses,
    optimizers,
)
ELSEWHERE = {  # primitives with tests of their own
    "empty",
    "zeros",
    "is_array",
    "asarray",
    "to_host",
    "all_finite",
    "stream",
    "staging",
    "free_bytes",
    "capture",
}


def cases(dtype: Any) -> Iterator[Case]:
    """Yield all cases."""
    for theme in THEMES:
        yield from theme.cases(Arrays(dtype))


def of(primitive: str, dtype: str) -> list[tuple[str, dict[str, Any]]]:
    """The cases of one primitive: [(id, {argument: value}), ...]."""
    return [(case.id, case.arguments) for case in cases(dtype) if case.primitive == primitive]


NAMES = sorted({case.primitive for case in cases("float32")})
CONTRACT = {name for name in dir(Ops) if not name.startswith("_")}


def public(backend: object) -> set[str]:
    """The public names of a backend, apart from those that all backends inherit."""
    return {name for name in dir(backend) if not name.startswith("_")} - set(dir(Backend))


def on_device(ops: Any, given: dict[str, Any], channels_last: bool = False) -> dict[str, Any]:
    """The arguments, with copies of their arrays on the device."""

    def copied(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        if channels_last and x.ndim == 4:
            rows = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
            return ops.asarray(rows).transpose(0, 3, 1, 2)
        return ops.asarray(x)

    return {key: copied(x) for key, x in given.items()}


def run(
    ops: Any, name: str, given: dict[str, Any], channels_last: bool = False
) -> dict[str, np.ndarray]:
    """Call a primitive on copies of the arguments; return all arrays, afterwards, on the host."""
    here = on_device(ops, given, channels_last)
    getattr(ops, name)(**here)
    return {key: ops.to_host(x) for key, x in here.items() if ops.is_array(x)}


def reference(name: str, given: dict[str, Any]) -> dict[str, np.ndarray]:
    """The results of `NumpyOps`."""
    return run(NumpyOps(), name, given)
