"""The fully connected layer."""

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.initializers import Initializer, checked_initializer, weight_and_bias
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape, integer


class Dense(Layer):
    """Affine map y = x W + b.

    x: (N, n_in) -> y: (N, n_out); W: (n_in, n_out); b: (n_out,).

    Parameters
    ----------
    n_in, n_out : int
        Features of x and y.
    init : Initializer, optional
        Draws W, and b starts at zero. None draws both as PyTorch's linear layer does.

    Raises
    ------
    ShapeError
        If a size is below 1, or x has another shape.
    """

    torch_layout = (
        TorchArray("W", "weight", (1, 0)),  # y = x W + b here, x W^T + b in PyTorch
        TorchArray("b", "bias", (0,), optional=True),
    )

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(self, n_in: int, n_out: int, init: Initializer | None = None) -> None:
        super().__init__()
        self.n_in, self.n_out = integer("Dense", "n_in", n_in), integer("Dense", "n_out", n_out)
        self.init = checked_initializer("Dense", init)
        self.input_shape = (self.n_in,)
        self.parameter_shapes = {"W": (self.n_in, self.n_out), "b": (self.n_out,)}

    def initialize(self, rng: np.random.Generator) -> None:
        W_init, b_init = weight_and_bias(self.init)
        W = W_init(rng, (self.n_in, self.n_out), fan_in=self.n_in, fan_out=self.n_out)
        b = b_init(rng, (self.n_out,), fan_in=self.n_in, fan_out=self.n_out)
        self.ops.copy_(self.W, self.ops.asarray(W, self.dtype))
        self.ops.copy_(self.b, self.ops.asarray(b, self.dtype))

    def output_shape(self, shape: Shape) -> Shape:
        if shape != (self.n_in,):
            raise ShapeError(f"{self.label}: expected samples of shape ({self.n_in},), got {shape}")
        return (self.n_out,)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, self.n_in))
        cache.x = x
        cache.y_shape = len(x), self.n_out
        y = cache.buffer("y", cache.y_shape)
        return self.ops.affine(x, self.W, self.b, out=y)  # y = x W + b

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        cache.dy = dy if cache.double_backward else None
        if grads != "skip":
            add = grads == "add"
            self.ops.gemm(cache.x, dy, trans_a=True, out=self.dW, add=add)  # dL/dW = x^T dy
            self.ops.sum_rows(dy, out=self.db, add=add)  # dL/db = sum_n dy_n
        if not need_dx:
            return None
        dx = cache.buffer("dx", cache.x.shape)
        return self.ops.gemm(dy, self.W, trans_b=True, out=dx)  # dL/dx = dy W^T

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        # dx = dy W^T, so dP/dW = v^T dy
        self.ops.gemm(v, cache.dy, trans_a=True, out=self.dW, add=True)
        ddy = cache.buffer("ddy", cache.dy.shape)
        return self.ops.gemm(v, self.W, out=ddy), None  # dP/d(dy) = v W
