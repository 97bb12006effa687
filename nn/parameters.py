"""A network's parameters, gradients and running statistics, each in one contiguous buffer.

An optimizer, a moving average, a finite check or a copy is then one pass over one buffer, or over
the range of it that belongs to one layer or to a slice of neighbouring layers.
"""

from __future__ import annotations

import math
from collections.abc import ItemsView, Mapping
from typing import Any

import numpy as np

from nn.arithmetic import ceil_div
from nn.ops.base import Array, Ops
from nn.ops.numpy.arrays import ALIGNMENT
from nn.settings import Shape


class Buffer:
    """Named arrays, `views`, of one vector, `flat`."""

    def __init__(self, flat: Array, views: dict[str, Array]) -> None:
        self.flat, self.views = flat, views

    def __getitem__(self, name: str) -> Array:
        return self.views[name]

    def items(self) -> ItemsView[str, Array]:
        return self.views.items()


class FlatBuffer(Buffer):
    """A `Buffer` that allocates its memory, filled with zeros.

    Each view starts at a multiple of 64 bytes. The few elements of padding between two views stay
    zero.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        Such as {"0.W": (64, 128), "0.b": (128,)}.
    ops : Ops
    dtype : dtype of all views
    """

    def __init__(self, shapes: Mapping[str, Shape], ops: Ops[Any], dtype: Any) -> None:
        self.shapes, self.ops = shapes, ops
        self._ranges: dict[str, tuple[int, int]] = {}
        step, size = ALIGNMENT // np.dtype(dtype).itemsize, 0
        for name, shape in shapes.items():
            padded = ceil_div(math.prod(shape), step) * step
            self._ranges[name] = size, size + padded
            size += padded
        self._lay_out(ops.zeros((size,), dtype))

    def part(self, names: Mapping[str, str]) -> Buffer:
        """Only these neighbouring views, under new names: {"W": "0.W", "b": "0.b"}."""
        ranges = [self._ranges[name] for name in names.values()]
        start, stop = (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
        return Buffer(self.flat[start:stop], {new: self.views[name] for new, name in names.items()})

    def _lay_out(self, flat: Array) -> None:
        views = {}
        for name, shape in self.shapes.items():
            start, _ = self._ranges[name]
            views[name] = flat[start : start + math.prod(shape)].reshape(shape)
        super().__init__(flat, views)

    def __getstate__(self) -> tuple:
        return self.shapes, self.ops, self._ranges, self.ops.to_host(self.flat)

    def __setstate__(self, state: tuple) -> None:
        self.shapes, self.ops, self._ranges, flat = state
        self._lay_out(self.ops.asarray(flat))  # aligned, unlike an array that NumPy copies


class Parameters:
    """The parameters, gradients and running statistics of one network.

    Attributes
    ----------
    value, grad : FlatBuffer
        Parameters and their gradients, laid out alike.
    statistics : FlatBuffer
        Running statistics, which no optimizer sees.
    """

    def __init__(
        self,
        parameter_shapes: Mapping[str, Shape],
        statistic_shapes: Mapping[str, Shape],
        ops: Ops[Any],
        dtype: Any,
    ) -> None:
        self.value = FlatBuffer(parameter_shapes, ops, dtype)
        self.grad = FlatBuffer(parameter_shapes, ops, dtype)
        self.statistics = FlatBuffer(statistic_shapes, ops, dtype)
        self.has_network = True  # False where a part was copied without its network

    @property
    def whole(self) -> Parameters:
        """The parameters of the whole network, also on a `Part`."""
        return self

    def part(self, prefixes: Mapping[str, str]) -> Part:
        """The parameters of one layer, {"3.": ""}, or of neighbours, {"3.": "0.", "4.": "1."}.

        `prefixes` maps each prefix of their names here to the one in the part.
        """
        names = {name: name for name in self.value.shapes}
        statistic_names = {name: name for name in self.statistics.shapes}
        return Part(self, _renamed(names, prefixes), _renamed(statistic_names, prefixes))

    def fits(
        self,
        parameter_shapes: Mapping[str, Shape],
        statistic_shapes: Mapping[str, Shape],
        ops: Ops[Any],
        dtype: Any,
    ) -> bool:
        """Whether a network of these shapes, backend and dtype can use this memory."""
        wanted = [*parameter_shapes.items(), *statistic_shapes.items()]
        held = [*self.value.shapes.items(), *self.statistics.shapes.items()]
        same_backend = type(ops) is type(self.value.ops)
        return wanted == held and same_backend and self.value.flat.dtype == dtype

    def clear(self) -> None:
        """Set everything to 0."""
        for buffer in (self.value, self.grad, self.statistics):
            buffer.ops.fill_(buffer.flat, 0)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"has_network": False}  # set again if the network is copied too


class Part:
    """The range of a network's `Parameters` that belongs to one layer or to neighbouring layers.

    It has the attributes of `Parameters`, with names relative to the part. Copying a part copies
    the whole network's parameters, so that parts that are copied together still share memory.
    """

    def __init__(
        self, whole: Parameters, names: dict[str, str], statistic_names: dict[str, str]
    ) -> None:
        self.whole, self._names, self._statistic_names = whole, names, statistic_names
        self.value, self.grad = whole.value.part(names), whole.grad.part(names)
        self.statistics = whole.statistics.part(statistic_names)

    def part(self, prefixes: Mapping[str, str]) -> Part:
        """A part of this part; see `Parameters.part`."""
        names = _renamed(self._names, prefixes)
        return Part(self.whole, names, _renamed(self._statistic_names, prefixes))

    def __getstate__(self) -> tuple:
        return self.whole, self._names, self._statistic_names

    def __setstate__(self, state: tuple) -> None:
        Part.__init__(self, *state)


def _renamed(names: Mapping[str, str], prefixes: Mapping[str, str]) -> dict[str, str]:
    """Of {name here: name in the whole}, the names that start with a prefix, which is replaced."""
    return {
        new + name.removeprefix(old): in_whole
        for old, new in prefixes.items()
        for name, in_whole in names.items()
        if name.startswith(old)
    }
