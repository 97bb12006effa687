"""Spectral normalization of a layer's weights."""

import copy
import math
from typing import Any

import numpy as np

from nn.cache import Cache
from nn.errors import ShapeError
from nn.layers.base import Grads, Layer, MaybeArray
from nn.layers.conv import Conv2d
from nn.layers.conv_transpose import ConvTranspose2d
from nn.layers.dense import Dense
from nn.layers.torch_layout import TorchArray
from nn.ops.base import Array, Ops, Stream
from nn.parameters import Parameters, Part
from nn.settings import Shape

FIRST_ITERATIONS = 15  # of the random u and v, at initialization; PyTorch's number
MIN_NORM = 1e-12  # no vector is divided by less; PyTorch's number


class SpectralNorm(Layer):
    """A layer with W_hat = W / sigma in place of W, where sigma is the largest singular value of W.

    This bounds the layer's Lipschitz constant by 1 (for a convolution, that of its map of a patch).
    W is taken as a matrix M with one row per output: (n_out, n_in), or (c_out, c_in kh kw) for both
    convolutions. Its first singular vectors u: (rows,) and v: (columns,) are statistics. A training
    pass whose cache tracks statistics improves them by one power iteration, u = M v / |M v|,
    v = M^T u / |M^T u|; every pass uses sigma = u^T M v.

    Parameters
    ----------
    layer : Dense, Conv2d or ConvTranspose2d
        Not built yet. x, y, W and b are the layer's.

    Raises
    ------
    ShapeError
        If `layer` has another type or is built, or W starts as zero; and the layer's own errors.

    References
    ----------
    Source: Miyato et al. 2018, algorithm 1 and eq. 12, with PyTorch's definition of M.
    """

    W: Array
    dW: Array
    u: Array
    v: Array

    def __init__(self, layer: Dense | Conv2d | ConvTranspose2d) -> None:
        super().__init__()
        if not isinstance(layer, (Dense, Conv2d, ConvTranspose2d)):
            raise ShapeError(
                f"SpectralNorm: expected a Dense, Conv2d or ConvTranspose2d, got {layer!r}"
            )
        if layer.parameters:
            raise ShapeError(
                f"SpectralNorm: expected a layer without memory, got {layer.label}, which is "
                "built; make a new one"
            )
        self.layer = copy.copy(layer)  # its W and b become this layer's
        self.input_shape, self.parameter_shapes = layer.input_shape, layer.parameter_shapes
        W = layer.parameter_shapes["W"]
        # in the other layers, outputs are W's last axis, and W = M^T
        self._outputs_first = isinstance(layer, Conv2d)
        n_outputs = W[0] if self._outputs_first else W[-1]
        n_inputs = math.prod(W) // n_outputs
        self._matrix = (n_outputs, n_inputs) if self._outputs_first else (n_inputs, n_outputs)
        self.statistic_shapes = {"u": (n_outputs,), "v": (n_inputs,)}

    @property
    def torch_layout(self) -> tuple[TorchArray, ...]:  # type: ignore[override]
        """That of the layer, in the names of PyTorch's `parametrizations.spectral_norm`."""
        W, b = self.layer.torch_layout
        layout = W._replace(torch_name="parametrizations.weight.original"), b
        u = TorchArray("u", "parametrizations.weight.0._u", (0,))
        v = TorchArray("v", "parametrizations.weight.0._v", (0,))
        if isinstance(self.layer, Conv2d):
            # the order of W's columns: (kh, kw, c_in) here, (c_in, kh, kw) in PyTorch
            v = v._replace(axes=(2, 0, 1), axes_of=self.parameter_shapes["W"][1:])
        return (*layout, u, v)

    def initialize(self, rng: np.random.Generator) -> None:
        self.layer.initialize(rng)
        if not self.ops.to_host(self.W).any():
            raise ShapeError(
                f"{self.label}: expected initial values of W that are not all zero, which have "
                "no direction"
            )
        self.ops.copy_(self.u, self.ops.asarray(rng.standard_normal(self.u.shape), self.dtype))
        self._matrix_times(self.u, out=self.v, transposed=True)
        for _ in range(FIRST_ITERATIONS):
            self._power_iteration()

    def output_shape(self, shape: Shape) -> Shape:
        return self.layer.output_shape(shape)

    def workspace_size(self, x_shape: Shape, y_shape: Shape) -> int:
        return self.layer.workspace_size(x_shape, y_shape)

    def cache(self, *, tracks_statistics: bool = True, double_backward: bool = False) -> Cache:
        modes = {"tracks_statistics": tracks_statistics, "double_backward": double_backward}
        cache = super().cache(**modes)
        cache.layer = copy.copy(self.layer)  # this pass's layer, on W_hat and the network's b
        cache.layer.W = cache.buffer("W_hat", self.W.shape)
        cache.layer.dW = cache.buffer("dW_hat", self.W.shape)
        cache.parts = [cache.layer.cache(**modes)]
        return cache

    def forward(self, x: Array, cache: Cache, *, train: bool = False) -> Array:
        if train and cache.tracks_statistics:
            self._power_iteration()
        # copies, because a later pass may update u and v before this one's backward
        cache.u, cache.v = cache.buffer("u", self.u.shape), cache.buffer("v", self.v.shape)
        self.ops.copy_(cache.u, self.u)
        self.ops.copy_(cache.v, self.v)
        cache.sigma = cache.buffer("sigma", (1,))
        Mv = self._matrix_times(self.v, out=cache.buffer("Mv", self.u.shape))
        self._dot(self.u, Mv, out=cache.sigma)  # sigma = u^T M v
        self.ops.divide(self.W, cache.sigma, out=cache.layer.W)  # W_hat = W / sigma
        return cache.layer.forward(x, cache.parts[0], train=train)

    def backward(
        self, dy: Array, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> MaybeArray:
        if grads == "add":  # the layer adds to dL/db, but dL/dW_hat is this pass's alone
            self.ops.fill_(cache.layer.dW, 0)
        dx = cache.layer.backward(dy, cache.parts[0], grads=grads, need_dx=need_dx)
        if grads != "skip":
            self._weight_gradient(cache, add=grads == "add")
        return dx

    def double_backward(self, v: Array, cache: Cache) -> tuple[Array, MaybeArray]:
        self.ops.fill_(cache.layer.dW, 0)
        derivatives = cache.layer.double_backward(v, cache.parts[0])  # adds dP/dW_hat
        self._weight_gradient(cache, add=True)
        return derivatives

    def normalized_weight(self) -> Array:
        """W_hat = W / sigma with the present u and v, in new memory."""
        sigma, Mv = self.ops.empty((1,), self.dtype), self.ops.empty(self.u.shape, self.dtype)
        self._dot(self.u, self._matrix_times(self.v, out=Mv), out=sigma)
        return self.ops.divide(self.W, sigma, out=self.ops.empty(self.W.shape, self.dtype))

    def _weight_gradient(self, cache: Cache, *, add: bool) -> None:
        """dL/dW = (dL/dW_hat - <dL/dW_hat, W_hat> u v^T) / sigma.

        u and v are constants, so d(sigma) = u^T dM v.
        """
        W_hat, dW_hat = cache.layer.W, cache.layer.dW
        overlap = cache.buffer("overlap", (1,))
        left, right = (cache.u, cache.v) if self._outputs_first else (cache.v, cache.u)
        self._dot(dW_hat, W_hat, out=overlap)
        self.ops.multiply(overlap, -1.0, out=overlap)
        right = self.ops.multiply(right, overlap, out=cache.buffer("right", right.shape))
        column, row, out = left.reshape(-1, 1), right.reshape(1, -1), dW_hat.reshape(self._matrix)
        self.ops.gemm(column, row, out=out, add=True)
        dW = self.ops.divide(dW_hat, cache.sigma, out=dW_hat if add else self.dW)
        if add:
            self.ops.add_(self.dW, dW)

    def _power_iteration(self) -> None:
        Mv = self._matrix_times(self.v, out=self.u)
        self.ops.normalize_vector_(Mv, MIN_NORM)  # u = M v / |M v|
        Mu = self._matrix_times(self.u, out=self.v, transposed=True)
        self.ops.normalize_vector_(Mu, MIN_NORM)  # v = M^T u / |M^T u|

    def _matrix_times(self, vector: Array, *, out: Array, transposed: bool = False) -> Array:
        """out = M vector, or M^T vector."""
        W, flip = self.W.reshape(self._matrix), transposed == self._outputs_first
        self.ops.gemm(W, vector.reshape(-1, 1), trans_a=flip, out=out.reshape(-1, 1))
        return out

    def _dot(self, a: Array, b: Array, *, out: Array) -> None:
        """out[0] = <a, b>, the sum over all elements."""
        self.ops.gemm(a.reshape(1, -1), b.reshape(-1, 1), out=out.reshape(1, 1))

    def bind(
        self, parameters: Parameters | Part, ops: Ops[Any], stream: Stream[Any], path: str
    ) -> None:
        super().bind(parameters, ops, stream, path)
        self.layer.bind(parameters.part({"": ""}), ops, stream, path)
