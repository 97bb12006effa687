"""Dropout."""

from nn.cache import Cache
from nn.layers.base import Grads, Layer, MaybeArray
from nn.ops.base import Array
from nn.settings import real


class Dropout(Layer):
    """In training, y = x m with m = 0 with probability p, else 1 / (1 - p); in evaluation, y = x.

    m is drawn for each element; x and y have any shape.

    On the CPU, p is rounded to a multiple of 1/256 where that is within p (1 - p) / 100 of it, else
    of 2^-16, else of 2^-32: 0.3 becomes 77/256 = 0.3008. On a GPU it is a multiple of 2^-32. The
    scale is 1 / (1 - p) with the rounded p, which is neither 0 nor 1, so y's expectation is x.

    Parameters
    ----------
    p : float in [0, 1)
        The probability of a zero.

    Raises
    ------
    ShapeError
        If p is outside [0, 1).

    References
    ----------
    Source: Srivastava et al. 2014, in the scaled form.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = real("Dropout", "p", p, "in [0, 1)", lambda p: 0 <= p < 1)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        cache.mask = None
        if not train or self.p == 0:
            return x
        cache.mask = self.stream.dropout_mask_(cache.buffer_like("mask", x), self.p)
        return self.ops.multiply(x, cache.mask, out=cache.buffer_like("y", x))

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if not need_dx:
            return None
        return dy if cache.mask is None else self._masked(dy, cache)  # dL/dx = dy m

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        return v if cache.mask is None else self._masked(v, cache), None  # dP/d(dy) = v m

    def _masked(self, gradient: Array, cache: Cache) -> Array:
        """The gradient times the mask, in place."""
        return self.ops.multiply(gradient, cache.mask, out=gradient)
