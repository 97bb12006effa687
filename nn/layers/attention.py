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

    Examples
    --------
    >>> import numpy as np
    >>> from nn import Conv2d, SelfAttention2d, Sequential
    >>> net = Sequential(Conv2d(3, 16, 3, padding=1), SelfAttention2d(16)).build(seed=0)
    >>> x = np.ones((2, 3, 8, 8), np.float32)
    >>> print(net(x).shape, np.array_equal(net(x), net[:1](x)))  # gamma is 0 at first
    (2, 16, 8, 8) True
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
        cache.dy = cache.copy_for_double_backward("dy_kept", rows)
        do = ops.multiply(rows, self.gamma, out=cache.buffer("do", X.shape))  # dL/do = gamma dy
        # dL/dm = do Wv^T
        dm = ops.gemm(do, self.Wv, trans_b=True, out=self._inner(cache, "dm", len(X)))
        (dm,) = self._stacks(N, dm)
        cache.dm = dm
        dA = ops.batched_gemm(dm, h, trans_b=True, out=cache.buffer("dA", cache.A.shape))  # dm h^T
        cache.dA = cache.copy_for_double_backward("dA_kept", dA)
        cache.dS = dS = self._softmax_backward(dA, cache)
        inner = {name: self._inner(cache, name, len(X)) for name in ("dq", "dk", "dh")}
        cache.inner = tuple(inner.values())
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

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        """The gradient of P through each line of `backward`, from the last to the first.

        A bar marks dP/d(...), as in vS = dP/d(dS) or bA = dP/dA. Then those of q, k, h, S and A go
        through `forward` to x.
        """
        ops, (N, n, H, W), X, A = self.ops, v.shape, cache.X, cache.A
        dS, dm = cache.dS, cache.dm
        q, k, h = self._stacks(N, cache.q, cache.k, cache.h)
        V = cache.contiguous("v", channels_last(v)).reshape(X.shape)
        weights, grads = (self.Wq, self.Wk, self.Wh), (self.dWq, self.dWk, self.dWh)

        # dX = dy + dq Wq^T + dk Wk^T + dh Wh^T: dP/dWq += V^T dq, and vq = dP/d(dq) = V Wq, ...
        v_inner = [self._inner(cache, f"v{name}", len(X)) for name in "qkh"]
        for Wi, dWi, d, vi in zip(weights, grads, cache.inner, v_inner):
            ops.gemm(V, d, trans_a=True, out=dWi, add=True)
            ops.gemm(V, Wi, out=vi)
        vq, vk, vh = self._stacks(N, *v_inner)
        b_inner = [self._inner(cache, f"b{name}", len(X)) for name in "qkh"]
        bq, bk, bh = self._stacks(N, *b_inner)
        vm, term = (self._inner(cache, name, len(X)) for name in ("vm", "term"))
        vm3, term3 = self._stacks(N, vm, term)

        # dh = A^T dm: bA = dm vh^T, vm = A vh
        bA = ops.batched_gemm(dm, vh, trans_b=True, out=cache.buffer("bA", A.shape))
        ops.batched_gemm(A, vh, out=vm3)
        # dq = dS k, dk = dS^T q: vS = vq k^T + q vk^T, bk = dS^T vq, bq = dS vk
        vS = ops.batched_gemm(vq, k, trans_b=True, out=cache.buffer("vS", A.shape))
        other = cache.buffer("other", A.shape)
        ops.add_(vS, ops.batched_gemm(q, vk, trans_b=True, out=other))
        ops.batched_gemm(dS, vq, trans_a=True, out=bk)
        ops.batched_gemm(dS, vk, out=bq)
        # dS = A (dA - r), r = sum_j dA_j A_j: bA += vS (dA - r) - dA sum_j vS_j A_j
        self._add_softmax_second_order(bA, vS, cache)
        vA = self._softmax_backward(vS, cache)  # vA = A (vS - sum_j vS_j A_j)
        # dA = dm h^T: vm += vA h, bh = vA^T dm
        ops.add_(vm, ops.batched_gemm(vA, h, out=term3).reshape(vm.shape))
        ops.batched_gemm(vA, dm, trans_a=True, out=bh)
        # dm = do Wv^T, do = gamma dy: dP/dWv += vm^T do, vo = vm Wv
        do = ops.multiply(cache.dy, self.gamma, out=cache.buffer("do", X.shape))
        ops.gemm(vm, do, trans_a=True, out=self.dWv, add=True)
        vo = ops.gemm(vm, self.Wv, out=cache.buffer("vo", X.shape))
        # dP/dgamma += <vo, dy>, dP/d(dy) = V + gamma vo
        dgamma = self.dgamma.reshape(1, 1)
        ops.gemm(vo.reshape(1, -1), cache.dy.reshape(-1, 1), out=dgamma, add=True)
        ddy = ops.multiply(vo, self.gamma, out=vo)
        ops.add_(ddy, V)

        # A = softmax(S), S = q k^T: bq += bS k, bk += bS^T q
        bS = self._softmax_backward(bA, cache)
        ops.add_(bq, ops.batched_gemm(bS, k, out=term3))
        ops.add_(bk, ops.batched_gemm(bS, q, trans_a=True, out=term3))
        # q = X Wq: dP/dWq += X^T bq, dP/dX = bq Wq^T + bk Wk^T + bh Wh^T
        ddX = cache.buffer("ddX", X.shape)
        for i, (Wi, dWi, b) in enumerate(zip(weights, grads, b_inner)):
            ops.gemm(X, b, trans_a=True, out=dWi, add=True)
            ops.gemm(b, Wi, trans_b=True, out=ddX, add=i > 0)
        shape = (N, H, W, n)
        return channels_first(ddy.reshape(shape)), channels_first(ddX.reshape(shape))

    def _add_softmax_second_order(self, bA: Array, vS: Array, cache: Cache) -> None:
        """bA += vS (dA - r) - dA sum_j vS_j A_j with r = sum_j dA_j A_j."""
        ops, (N, P, _) = self.ops, bA.shape
        dA, vS = cache.dA.reshape(N * P, P), vS.reshape(N * P, P)
        bA = bA.reshape(N * P, P)
        term = cache.buffer("other", (N, P, P)).reshape(N * P, P)
        ops.add_(bA, ops.multiply(vS, dA, out=term))
        r = self._overlap(dA, cache, term, "r")
        ops.subtract(bA, ops.multiply(vS, r, out=term), out=bA)
        s = self._overlap(vS, cache, term, "sums")
        ops.subtract(bA, ops.multiply(dA, s, out=term), out=bA)

    def _overlap(self, x: Array, cache: Cache, product: Array, name: str) -> Array:
        """sum_j x_j A_j for each row; `product` is memory for the terms."""
        ops, ones = self.ops, cache.buffer("ones", (x.shape[1], 1))
        ops.fill_(ones, 1)
        ops.multiply(x, cache.A.reshape(x.shape), out=product)
        return ops.gemm(product, ones, out=cache.buffer(name, (len(x), 1)))

    def _softmax_backward(self, dA: Array, cache: Cache) -> Array:
        """dL/dS = A (dA - sum_j dA_j A_j), in dA's memory."""
        ops, (N, P, _) = self.ops, dA.shape
        A, rows = cache.A.reshape(N * P, P), dA.reshape(N * P, P)
        product = cache.buffer("S", (N, P, P)).reshape(N * P, P)
        sums = self._overlap(rows, cache, product, "sums")
        ops.multiply(ops.subtract(rows, sums, out=rows), A, out=rows)
        return dA

    def _inner(self, cache: Cache, name: str, rows: int) -> Array:
        """A buffer of n_inner columns."""
        return cache.buffer(name, (rows, self.parameter_shapes["Wq"][1]))

    def _stacks(self, N: int, *matrices: Array) -> list[Array]:
        """(N P, n_inner) as (N, P, n_inner)."""
        return [matrix.reshape(N, -1, matrix.shape[1]) for matrix in matrices]
