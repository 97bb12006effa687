"""One contiguous buffer for all of a network's parameters, one for their gradients, one for running statistics.

An optimizer, a moving average, a finite check or a copy is then one pass over one buffer.
"""

import math

import numpy as np

from nn.ops.numpy_arrays import ALIGNMENT


class FlatBuffer:
    """Named arrays that are views into one vector, `flat`; each begins at a multiple of 64 bytes.

    shapes: {"0.W": (784, 128), "0.b": (128,), ...}. The few elements of padding between two views stay zero.
    """

    def __init__(self, shapes, ops, dtype):
        step = ALIGNMENT // np.dtype(dtype).itemsize
        starts, size = {}, 0
        for name, shape in shapes.items():
            starts[name] = size
            size += -(-math.prod(shape) // step) * step
        self.flat = ops.zeros((size,), dtype)
        self.views = {
            name: self.flat[starts[name] : starts[name] + math.prod(shape)].reshape(shape) for name, shape in shapes.items()
        }

    def __getitem__(self, name):
        return self.views[name]

    def items(self):
        return self.views.items()


class Parameters:
    """The buffers of a network: `value`, `grad` (alike), and `statistics`, which no optimizer sees."""

    def __init__(self, parameter_shapes, statistic_shapes, ops, dtype):
        self.value = FlatBuffer(parameter_shapes, ops, dtype)
        self.grad = FlatBuffer(parameter_shapes, ops, dtype)
        self.statistics = FlatBuffer(statistic_shapes, ops, dtype)
