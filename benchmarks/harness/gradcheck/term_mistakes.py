"""Random mistakes in one term of a layer's gradient, each a factor of 1.001."""

from __future__ import annotations

from typing import Any

import numpy as np

import nn
from benchmarks.harness.gradcheck.spoiling import FACTOR, Methods, subclass
from nn.cache import Cache
from nn.layers.base import Grads


def mistaken_term(rng: np.random.Generator, layer: Any) -> str | None:
    """A mean of batch norm, a slope, or the derivative of a spectral norm with respect to sigma.

    Returns the mistake's name, or None for other layers.
    """
    kind: Any = type(layer)
    batchnorm_term = str(rng.choice(["mean", "xhat"]))
    if kind is nn.BatchNorm:
        methods = batchnorm_methods(batchnorm_term)
    elif kind is nn.LeakyReLU and layer.slope:
        methods = {"backward": leaky_relu_backward}
    elif kind is nn.Tanh:
        methods = {"backward": tanh_backward}
    elif kind is nn.Sigmoid:
        methods = {"backward": sigmoid_backward}
    elif kind is nn.SpectralNorm:
        methods = {"backward": spectral_norm_backward}
        methods["double_backward"] = spectral_norm_double_backward
    else:
        return None
    subclass(layer, methods)
    return f"term of {kind.__name__}"


def batchnorm_methods(term: str) -> Methods:
    """The mean of dy or of dy xhat."""

    def backward(
        self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
    ) -> Any:
        rows = dy if dy.ndim == 2 else dy.transpose(0, 2, 3, 1).reshape(-1, self.n)
        rows = rows.copy()
        dx = nn.BatchNorm.backward(self, dy, cache, grads=grads, need_dx=need_dx)
        if dx is None or not cache.train:
            return dx
        if term == "mean":
            lost = rows.mean(axis=0)
        else:
            lost = cache.xhat * (rows * cache.xhat).mean(axis=0)
        lost = np.broadcast_to(lost, rows.shape) * (self.W * cache.inv_std)
        if dx.ndim == 4:
            n, c, h, w = dx.shape
            lost = lost.reshape(n, h, w, c).transpose(0, 3, 1, 2)
        return dx - (FACTOR - 1) * lost

    return {"backward": backward}


def leaky_relu_backward(
    self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
) -> Any:
    if need_dx:
        return self.ops.leaky_relu_backward_(dy, cache.y, self.slope * FACTOR)
    return None


def tanh_backward(
    self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
) -> Any:
    if not need_dx:
        return None
    cache.dy = cache.copy_for_double_backward("dy", dy)
    return dy * (1 - FACTOR * cache.y**2)


def sigmoid_backward(
    self: Any, dy: np.ndarray, cache: Cache, *, grads: Grads = "write", need_dx: bool = True
) -> Any:
    if not need_dx:
        return None
    cache.dy = cache.copy_for_double_backward("dy", dy)
    return dy * (cache.y - FACTOR * cache.y**2)


def spectral_norm_backward(self: Any, dy: np.ndarray, cache: Cache, **options: Any) -> Any:
    u, cache.u = cache.u, cache.u * FACTOR  # d(sigma) = u^T dM v
    try:
        return nn.SpectralNorm.backward(self, dy, cache, **options)
    finally:
        cache.u = u


def spectral_norm_double_backward(self: Any, v: np.ndarray, cache: Cache) -> Any:
    u, cache.u = cache.u, cache.u * FACTOR
    try:
        return nn.SpectralNorm.double_backward(self, v, cache)
    finally:
        cache.u = u
