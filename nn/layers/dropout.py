"""Dropout."""

from nn.layers.base import Layer
from nn.settings import real


class Dropout(Layer):
    """In training, y = x m with m = 0 with probability p, else 1 / (1 - p), drawn for each element; y = x in evaluation.

    x and y of any shape. On the CPU, p is rounded to a multiple of 1/256 where that is within p (1 - p) / 100 of it, else of
    2^-16, else of 2^-32: 0.3 becomes 77/256 = 0.3008. On a GPU it is a multiple of 2^-32. Elements are scaled by 1 / (1 - p) with
    the rounded p, which is neither 0 nor 1, so that y's expectation is x. Errors: `ShapeError` for p outside [0, 1).
    Source: Srivastava et al. 2014, in the scaled form.
    """

    def __init__(self, p=0.5):
        super().__init__()
        self.p = real("Dropout", "p", p, "in [0, 1)", lambda p: 0 <= p < 1)

    def forward(self, x, cache, *, train=False):
        cache.mask = None
        if not train or self.p == 0:
            return x
        cache.mask = self.stream.dropout_mask_(cache.like("mask", x), self.p)
        return self.ops.multiply(x, cache.mask, out=cache.like("y", x))

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if need_dx:
            return dy if cache.mask is None else self.ops.multiply(dy, cache.mask, out=dy)  # dL/dx = dy m

    def double_backward(self, v, cache):
        return (v if cache.mask is None else self.ops.multiply(v, cache.mask, out=v)), None  # dP/d(dy) = v m
