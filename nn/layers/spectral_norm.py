"""Spectral normalisation of a layer's weights."""

import copy
import math

from nn.layers.conv import Conv2d, ConvTranspose2d
from nn.layers.dense import Dense
from nn.errors import ShapeError
from nn.layers.base import Layer

FIRST_ITERATIONS = 15  # before the first step, PyTorch's number: u and v are random at first
TINY = 1e-12  # no vector is divided by a smaller norm; PyTorch's number too


class SpectralNorm(Layer):
    """A layer with W_hat = W / sigma in place of W, sigma being W's largest singular value: y moves no further than x does.

    layer: a `Dense`, `Conv2d` or `ConvTranspose2d`; x, y, W and b are its own. W is taken as a matrix M with a row for each
    output: (n_out, n_in), or (c_out, c_in kh kw) for both convolutions, where sigma bounds what happens to one patch. M's first
    singular vectors, u: (rows,) and v: (columns,), are statistics: a training pass whose cache tracks statistics brings them
    nearer by one power iteration, u = M v / |M v|, v = M^T u / |M^T u|; every pass takes sigma = u^T M v.
    Errors: those of the layer; `ShapeError` for a layer of another kind, one that is built, or a W that starts as zero.
    Source: Miyato et al. 2018, algorithm 1 and eq. 12, with PyTorch's definition of M.
    """

    def __init__(self, layer):
        super().__init__()
        if not isinstance(layer, (Dense, Conv2d, ConvTranspose2d)):
            raise ShapeError(f"SpectralNorm: expected a Dense, Conv2d or ConvTranspose2d, got {layer!r}")
        if layer.parameters:
            raise ShapeError(f"SpectralNorm: expected a layer without memory, got {layer.label}, which is built; make a new one")
        self.layer = copy.copy(layer)  # its W and b shall be this layer's, whoever else holds the one that was given
        self.input_shape, self.parameter_shapes = layer.input_shape, layer.parameter_shapes
        W = layer.parameter_shapes["W"]
        self._outputs_first = isinstance(layer, Conv2d)  # elsewhere outputs are W's last axis, and M is its transpose
        self._matrix = (W[0], math.prod(W[1:])) if self._outputs_first else (math.prod(W[:-1]), W[-1])
        n_outputs, n_inputs = self._matrix if self._outputs_first else reversed(self._matrix)
        self.statistic_shapes = {"u": (n_outputs,), "v": (n_inputs,)}

    def initialize(self, rng):
        self.layer.initialize(rng)
        if not self.ops.to_host(self.W).any():
            raise ShapeError(f"{self.label}: expected first values of W that are not all zero, which have no direction")
        self.ops.copy_(self.u, self.ops.asarray(rng.standard_normal(self.u.shape), self.dtype))
        self._product(self.u, out=self.v, transposed=True)
        for _ in range(FIRST_ITERATIONS):
            self._power_iteration()

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def cache(self, **settings):
        cache = super().cache(**settings)
        cache.layer = copy.copy(self.layer)  # the layer of this pass, on W_hat; b and db are views of the network's
        cache.layer.W, cache.layer.dW = cache.buffer("W_hat", self.W.shape), cache.buffer("dW_hat", self.W.shape)
        cache.parts = [cache.layer.cache(**settings)]
        return cache

    def forward(self, x, cache, *, train=False):
        if train and cache.tracks_statistics:
            self._power_iteration()
        cache.u, cache.v = cache.buffer("u", self.u.shape), cache.buffer("v", self.v.shape)
        self.ops.copy_(cache.u, self.u)  # a later pass may move them before this one's backward
        self.ops.copy_(cache.v, self.v)
        cache.sigma = cache.buffer("sigma", (1,))
        Mv = self._product(self.v, out=cache.buffer("Mv", self.u.shape))
        self._dot(self.u, Mv, out=cache.sigma)  # sigma = u^T M v
        self.ops.divide(self.W, cache.sigma, out=cache.layer.W)  # W_hat = W / sigma
        return cache.layer.forward(x, cache.parts[0], train=train)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if grads == "add":
            self.ops.fill_(cache.layer.dW, 0)  # to dL/db, and to dL/dW further down; dL/dW_hat is this pass's alone
        dx = cache.layer.backward(dy, cache.parts[0], grads=grads, need_dx=need_dx)
        if grads != "skip":
            self._weight_gradient(cache, add=grads == "add")
        return dx

    def double_backward(self, v, cache):
        self.ops.fill_(cache.layer.dW, 0)
        derivatives = cache.layer.double_backward(v, cache.parts[0])  # adds dP/dW_hat
        self._weight_gradient(cache, add=True)
        return derivatives

    def _weight_gradient(self, cache, *, add):
        """dL/dW = (dL/dW_hat - <dL/dW_hat, W_hat> u v^T) / sigma: d sigma = u^T dM v, where u and v are constants."""
        W_hat, dW_hat, overlap = cache.layer.W, cache.layer.dW, cache.buffer("overlap", (1,))
        left, right = (cache.u, cache.v) if self._outputs_first else (cache.v, cache.u)
        self._dot(dW_hat, W_hat, out=overlap)
        self.ops.multiply(overlap, -1.0, out=overlap)
        right = self.ops.multiply(right, overlap, out=cache.buffer("right", right.shape))
        self.ops.gemm(left.reshape(-1, 1), right.reshape(1, -1), out=dW_hat.reshape(self._matrix), add=True)
        dW = self.ops.divide(dW_hat, cache.sigma, out=dW_hat if add else self.dW)
        if add:
            self.ops.add_(self.dW, dW)

    def _power_iteration(self):
        self.ops.normalize_vector_(self._product(self.v, out=self.u), TINY)  # u = M v / |M v|
        self.ops.normalize_vector_(self._product(self.u, out=self.v, transposed=True), TINY)  # v = M^T u / |M^T u|

    def _product(self, vector, *, out, transposed=False):
        """out = M vector, or M^T vector."""
        W, flip = self.W.reshape(self._matrix), transposed == self._outputs_first
        self.ops.gemm(W, vector.reshape(-1, 1), trans_a=flip, out=out.reshape(-1, 1))
        return out

    def _dot(self, a, b, *, out):
        """out[0] = <a, b>, the sum over all elements."""
        self.ops.gemm(a.reshape(1, -1), b.reshape(-1, 1), out=out.reshape(1, 1))

    def _bind(self, parameters, ops, stream, path):
        super()._bind(parameters, ops, stream, path)
        self.layer._bind(parameters.part({"": ""}), ops, stream, path)
