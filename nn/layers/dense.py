"""The fully connected layer."""

from nn.errors import ShapeError
from nn.initializers import Constant, TorchDefault
from nn.layers.base import Layer
from nn.settings import initializer, whole


class Dense(Layer):
    """Affine map y = x W + b.

    x: (N, n_in) -> y: (N, n_out); W: (n_in, n_out); b: (n_out,); all of the network's dtype. With `init` None, W and b
    start as PyTorch's linear layer does; with an initializer, W is drawn from it and b starts at zero.
    Errors: `ShapeError` for x of another shape, or sizes below one.
    """

    def __init__(self, n_in, n_out, init=None):
        super().__init__()
        self.n_in, self.n_out = whole("Dense", "n_in", n_in), whole("Dense", "n_out", n_out)
        self.init = initializer("Dense", init)
        self.input_shape = (self.n_in,)
        self.parameter_shapes = {"W": (self.n_in, self.n_out), "b": (self.n_out,)}

    def initialize(self, rng):
        fans = {"fan_in": self.n_in, "fan_out": self.n_out}
        W_init, b_init = (self.init, Constant(0.0)) if self.init else (TorchDefault(), TorchDefault())
        self.ops.copy_(self.W, self.ops.asarray(W_init(rng, self.W.shape, **fans), self.dtype))
        self.ops.copy_(self.b, self.ops.asarray(b_init(rng, self.b.shape, **fans), self.dtype))

    def output_shape(self, shape):
        if shape != (self.n_in,):
            raise ShapeError(f"{self.label}: expected samples of shape ({self.n_in},), got {shape}")
        return (self.n_out,)

    def forward(self, x, cache, *, train=False):
        self.check_input(x, (None, self.n_in))
        cache.x = x
        cache.y_shape = len(x), self.n_out
        return self.ops.affine(x, self.W, self.b, out=cache.buffer("y", cache.y_shape))  # y = x W + b

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        self.check_dy(dy, cache.y_shape)
        cache.dy = dy if cache.twice else None
        if grads != "skip":
            self.ops.gemm(cache.x, dy, trans_a=True, out=self.dW, add=grads == "add")  # dL/dW = x^T dy
            self.ops.sum_rows(dy, out=self.db, add=grads == "add")  # dL/db = sum_n dy_n
        if need_dx:
            return self.ops.gemm(dy, self.W, trans_b=True, out=cache.buffer("dx", cache.x.shape))  # dL/dx = dy W^T

    def double_backward(self, v, cache):
        self.ops.gemm(v, cache.dy, trans_a=True, out=self.dW, add=True)  # dx = dy W^T: dP/dW = v^T dy
        return self.ops.gemm(v, self.W, out=cache.buffer("v", cache.dy.shape)), None  # dP/d(dy) = v W
