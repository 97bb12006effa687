"""Self-attention over the pixels of an image."""

import math

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.initializers import Initializer, checked_initializer, weight_and_bias
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.images import channels_first, channels_last
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array
from nn.settings import Shape, integer

WEIGHTS = ("Wq", "Wk", "Wh", "Wv")


class SelfAttention2d(Layer):
    """y = gamma o + x, where each pixel of o is a weighted mean over all pixels of its image.

    With the P = H W pixels of an image as rows of X: (P, n),

        A = softmax(X Wq (X Wk)^T), row by row        o = A (X Wh) Wv

    x, y: (N, n, H, W); Wq, Wk, Wh: (n, n_inner); Wv: (n_inner, n); gamma: (1,), initially 0, so
    that y = x. There are no biases. A takes P^2 numbers for each image.

    PyTorch has no such layer; the layout is that of four ``Linear(..., bias=False)``.

    Parameters
    ----------
    n : int
        Channels.
    n_inner : int, optional
        Columns of Wq, Wk and Wh; n // 8, and at least 1, by default.
    init : Initializer, optional
        Draws the four matrices. None draws them as PyTorch's linear layer does.

    Raises
    ------
    ShapeError
        If a size is below 1, or x has another shape.

    References
    ----------
    Source: Zhang et al. 2019, "Self-attention generative adversarial networks", eq. 1-3.
    """

    torch_layout = (
        TorchArray("Wq", "query.weight", (1, 0)),  # x W here, x W^T in PyTorch
        TorchArray("Wk", "key.weight", (1, 0)),
        TorchArray("Wh", "value.weight", (1, 0)),
        TorchArray("Wv", "out.weight", (1, 0)),
        TorchArray("gamma", "gamma", (0,)),
    )

    Wq: Array
    Wk: Array
    Wh: Array
    Wv: Array
    gamma: Array
    dWq: Array
    dWk: Array
    dWh: Array
    dWv: Array
    dgamma: Array

    def __init__(self, n: int, n_inner: int | None = None, init: Initializer | None = None) -> None:
        super().__init__()
        self.n = integer("SelfAttention2d", "n", n)
        self.n_inner = None
        if n_inner is not None:
            self.n_inner = integer("SelfAttention2d", "n_inner", n_inner)
        self.init = checked_initializer("SelfAttention2d", init)
        d = self.n_inner or max(1, self.n // 8)
        inner = {"Wq": (self.n, d), "Wk": (self.n, d), "Wh": (self.n, d)}
        self.parameter_shapes = {**inner, "Wv": (d, self.n), "gamma": (1,)}

    def initialize(self, rng: np.random.Generator) -> None:
        draw, _ = weight_and_bias(self.init)
        for name in WEIGHTS:
            fan_in, fan_out = self.parameter_shapes[name]
            W = draw(rng, (fan_in, fan_out), fan_in=fan_in, fan_out=fan_out)
            self.ops.copy_(getattr(self, name), self.ops.asarray(W, self.dtype))
        self.ops.fill_(self.gamma, 0)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] != self.n:
            raise ShapeError(
                f"{self.label}: expected samples of shape ({self.n}, H, W), got {shape}"
            )
        return shape

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        P, (_, d) = math.prod(x_shape[1:]), self.parameter_shapes["Wq"]
        return P * (3 * P + 2 * self.n + 8 * d)

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        self.check_input(x, (None, self.n, None, None))
        ops, N, P = self.ops, len(x), math.prod(x.shape[2:])
        cache.y_shape = x.shape
        cache.X = X = cache.contiguous("x", channels_last(x)).reshape(N * P, self.n)
        cache.q, cache.k, cache.h = (
            ops.gemm(X, W, out=self._inner(cache, name, len(X)))
            for name, W in (("q", self.Wq), ("k", self.Wk), ("h", self.Wh))
        )
        q, k, h = self._stacks(N, cache.q, cache.k, cache.h)
        S = ops.batched_gemm(q, k, trans_b=True, out=cache.buffer("S", (N, P, P)))  # S = q k^T
        A = cache.buffer("A", (N * P, P))
        cache.A = ops.softmax(S.reshape(N * P, P), out=A).reshape(N, P, P)
        cache.m = self._inner(cache, "m", len(X))
        ops.batched_gemm(cache.A, h, out=cache.m.reshape(h.shape))  # m = A h
        cache.o = ops.gemm(cache.m, self.Wv, out=cache.buffer("o", X.shape))  # o = m Wv
        y = cache.image_buffer("y", x.shape)
        rows = channels_last(y).reshape(X.shape)
        ops.add_(ops.multiply(cache.o, self.gamma, out=rows), X)  # y = gamma o + x
        return y

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        self.check_dy(dy, cache.y_shape)
        ops, N, (_, n, H, W) = self.ops, len(dy), dy.shape
        add, X = grads == "add", cache.X
        q, k, h = self._stacks(N, cache.q, cache.k, cache.h)
        rows = cache.contiguous("dy", channels_last(dy)).reshape(X.shape)
        do = ops.multiply(rows, self.gamma, out=cache.buffer("do", X.shape))  # dL/do = gamma dy
        # dL/dm = do Wv^T
        dm = ops.gemm(do, self.Wv, trans_b=True, out=self._inner(cache, "dm", len(X)))
        (dm,) = self._stacks(N, dm)
        dA = ops.batched_gemm(dm, h, trans_b=True, out=cache.buffer("dA", cache.A.shape))  # dm h^T
        dS = self._softmax_backward(dA, cache)
        inner = {name: self._inner(cache, name, len(X)) for name in ("dq", "dk", "dh")}
        dq, dk, dh = self._stacks(N, *inner.values())
        ops.batched_gemm(dS, k, out=dq)  # dL/dq = dS k
        ops.batched_gemm(dS, q, trans_a=True, out=dk)  # dL/dk = dS^T q
        ops.batched_gemm(cache.A, dm, trans_a=True, out=dh)  # dL/dh = A^T dm
        if grads != "skip":
            ops.gemm(cache.m, do, trans_a=True, out=self.dWv, add=add)  # dL/dWv = m^T do
            for dW, d in zip((self.dWq, self.dWk, self.dWh), inner.values()):
                ops.gemm(X, d, trans_a=True, out=dW, add=add)  # dL/dWq = X^T dq, ...
            dgamma = self.dgamma.reshape(1, 1)  # dL/dgamma = <dy, o>
            ops.gemm(rows.reshape(1, -1), cache.o.reshape(-1, 1), out=dgamma, add=add)
        if not need_dx:
            return None
        # dL/dX = dy + dq Wq^T + dk Wk^T + dh Wh^T
        dX = cache.buffer("dx", X.shape)
        ops.copy_(dX, rows)
        for Wi, d in zip((self.Wq, self.Wk, self.Wh), inner.values()):
            ops.gemm(d, Wi, trans_b=True, out=dX, add=True)
        return channels_first(dX.reshape(N, H, W, n))

    def _softmax_backward(self, dA: Array, cache: Cache) -> Array:
        """dL/dS = A (dA - sum_j dA_j A_j), in dA's memory."""
        ops, (N, P, _) = self.ops, dA.shape
        A, dA_rows = cache.A.reshape(N * P, P), dA.reshape(N * P, P)
        ones, sums = cache.buffer("ones", (P, 1)), cache.buffer("sums", (N * P, 1))
        ops.fill_(ones, 1)
        product = ops.multiply(dA_rows, A, out=cache.buffer("S", dA.shape).reshape(N * P, P))
        ops.subtract(dA_rows, ops.gemm(product, ones, out=sums), out=dA_rows)
        ops.multiply(dA_rows, A, out=dA_rows)
        return dA

    def _inner(self, cache: Cache, name: str, rows: int) -> Array:
        """A buffer of n_inner columns."""
        return cache.buffer(name, (rows, self.parameter_shapes["Wq"][1]))

    def _stacks(self, N: int, *matrices: Array) -> list[Array]:
        """(N P, n_inner) as (N, P, n_inner)."""
        return [matrix.reshape(N, -1, matrix.shape[1]) for matrix in matrices]
