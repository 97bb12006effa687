"""The table of learned vectors."""

import numpy as np

from nn.cache import Cache
from nn.initializers import Initializer, Normal, checked_initializer
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape, integer


class Embedding(Layer):
    """y = W[x], the row of W for each number in x.

    x: (N, ...) -> y: (N, ..., n_out); W: (n, n_out). x holds the numbers 0..n-1 of classes in the
    network's dtype, like any x, and is rounded to the nearest integer. float32 tells apart the
    first 2^24 numbers.

    A number outside 0..n-1 makes its row of y NaN, because an error would have to wait for a GPU.
    y is piecewise constant, so dL/dx = 0.

    Parameters
    ----------
    n, n_out : int
        Rows of W, such as classes, and their length.
    init : Initializer, optional
        Draws W. None draws from N(0, 1), as PyTorch does.

    Raises
    ------
    ShapeError
        If a size is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Embedding
    >>> table = Embedding(10, 16).build(seed=0)
    >>> digits = np.array([3, 1, 4, 1], np.float32)
    >>> y = table(digits)
    >>> print(y.shape, np.array_equal(y[1], y[3]), np.array_equal(y[0], table.W[3]))
    (4, 16) True True
    """

    torch_layout = (TorchArray("W", "weight", (0, 1)),)

    W: Array
    dW: Array

    def __init__(self, n: int, n_out: int, init: Initializer | None = None) -> None:
        super().__init__()
        self.n, self.n_out = integer("Embedding", "n", n), integer("Embedding", "n_out", n_out)
        self.init = checked_initializer("Embedding", init)
        self.parameter_shapes = {"W": (self.n, self.n_out)}

    def initialize(self, rng: np.random.Generator) -> None:
        init = self.init or Normal(std=1.0)
        W = init(rng, (self.n, self.n_out), fan_in=self.n, fan_out=self.n_out)
        self.ops.copy_(self.W, self.ops.asarray(W, self.dtype))

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.n_out)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_array(x, "x")
        cache.x_shape, cache.y_shape = x.shape, (*x.shape, self.n_out)
        cache.index = cache.contiguous("x", x).reshape(-1)
        y = cache.buffer("y", cache.y_shape)
        self.ops.take_rows(self.W, cache.index, out=y.reshape(-1, self.n_out))  # y = W[x]
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        if grads != "skip":
            rows = cache.contiguous("dy", dy).reshape(-1, self.n_out)
            # dL/dW_k = the sum of dy over the places where x = k
            self.ops.sum_rows_at(rows, cache.index, out=self.dW, add=grads == "add")
        if not need_dx:
            return None
        return self._zeros(cache, "dx", cache.x_shape)  # dL/dx = 0

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        return self._zeros(cache, "ddy", (*v.shape, self.n_out)), None  # dx = 0: dP/d(dy) = 0

    def _zeros(self, cache: Cache, name: str, shape: Shape) -> Array:
        x = cache.buffer(name, shape)
        self.ops.fill_(x, 0)
        return x
