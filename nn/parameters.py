"""One contiguous buffer for all of a network's parameters, one for their gradients, one for running statistics.

An optimizer, a moving average, a finite check or a copy is then one pass over one buffer, or over the range of it that belongs
to a layer or to a slice of neighbouring layers.
"""

import math

import numpy as np

from nn.ops.numpy.arrays import ALIGNMENT


class Buffer:
    """Named arrays, `views`, in one vector, `flat`."""

    def __init__(self, flat, views):
        self.flat, self.views = flat, views

    def __getitem__(self, name):
        return self.views[name]

    def items(self):
        return self.views.items()


class FlatBuffer(Buffer):
    """A `Buffer` of new memory, all zero; each view begins at a multiple of 64 bytes.

    shapes: {"0.W": (784, 128), "0.b": (128,), ...}. The few elements of padding between two views stay zero.
    """

    def __init__(self, shapes, ops, dtype):
        self.shapes, self.ops, self._ranges = shapes, ops, {}
        step, size = ALIGNMENT // np.dtype(dtype).itemsize, 0
        for name, shape in shapes.items():
            padded = -(-math.prod(shape) // step) * step
            self._ranges[name] = size, size + padded
            size += padded
        self._lay_out(ops.zeros((size,), dtype))

    def part(self, names):
        """Neighbouring views alone, under names of their own: {"W": "0.W", "b": "0.b"}."""
        ranges = [self._ranges[name] for name in names.values()]
        start, stop = (ranges[0][0], ranges[-1][1]) if ranges else (0, 0)
        return Buffer(self.flat[start:stop], {own: self.views[name] for own, name in names.items()})

    def _lay_out(self, flat):
        starts = {name: start for name, (start, _) in self._ranges.items()}
        views = {name: flat[starts[name] : starts[name] + math.prod(s)].reshape(s) for name, s in self.shapes.items()}
        super().__init__(flat, views)

    def __getstate__(self):
        return self.shapes, self.ops, self._ranges, self.ops.to_host(self.flat)

    def __setstate__(self, state):
        self.shapes, self.ops, self._ranges, flat = state
        self._lay_out(self.ops.asarray(flat))  # aligned, where an array that NumPy copies is not


class Parameters:
    """The buffers of a network: `value`, `grad` (alike), and `statistics`, which no optimizer sees."""

    def __init__(self, parameter_shapes, statistic_shapes, ops, dtype):
        self.value = FlatBuffer(parameter_shapes, ops, dtype)
        self.grad = FlatBuffer(parameter_shapes, ops, dtype)
        self.statistics = FlatBuffer(statistic_shapes, ops, dtype)
        self.has_network = True  # False in the copy of a part without its network: nothing else is on this memory

    @property
    def whole(self):
        return self

    def part(self, prefixes):
        """The parameters of one layer, by the prefix of its names, {"3.": ""}, or of neighbours, {"3.": "0.", "4.": "1."}."""
        names, statistic_names = ({name: name for name in b.shapes} for b in (self.value, self.statistics))
        return Part(self, select(names, prefixes), select(statistic_names, prefixes))

    def fit(self, parameter_shapes, statistic_shapes, ops, dtype):
        """Whether a network of these shapes, on this backend and in this dtype, can have this memory."""
        wanted = [*parameter_shapes.items(), *statistic_shapes.items()]
        held = [*self.value.shapes.items(), *self.statistics.shapes.items()]
        return wanted == held and type(ops) is type(self.value.ops) and self.value.flat.dtype == dtype

    def clear(self):
        for buffer in (self.value, self.grad, self.statistics):
            buffer.ops.fill_(buffer.flat, 0)

    def __getstate__(self):
        return vars(self) | {"has_network": False}  # a network that is copied too sets it again


class Part:
    """The range of a network's buffers that a layer or neighbouring layers have: as `Parameters`, with names of its own.

    A copy brings the whole along, whose other parts may be copied with it.
    """

    def __init__(self, whole, names, statistic_names):
        self.whole, self._names, self._statistic_names = whole, names, statistic_names
        self.value, self.grad = whole.value.part(names), whole.grad.part(names)
        self.statistics = whole.statistics.part(statistic_names)

    def part(self, prefixes):
        return Part(self.whole, select(self._names, prefixes), select(self._statistic_names, prefixes))

    def __getstate__(self):
        return self.whole, self._names, self._statistic_names

    def __setstate__(self, state):
        self.__init__(*state)


def select(names, prefixes):
    """Of {own name: name in the whole}, those whose own name begins with a prefix, which is replaced: {"3.": "0.", ...}."""
    return {
        new + own.removeprefix(old): name for old, new in prefixes.items() for own, name in names.items() if own.startswith(old)
    }
