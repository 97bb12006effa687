"""Helpers for the tests of nn/."""

import numpy as np

import nn


def normal(*shape, seed=0, dtype=np.float64):
    """Standard normal values."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def away_from_zero(*shape, seed=0, dtype=np.float64):
    """Normal values, at least 0.1 away from the kink of ReLU."""
    x = normal(*shape, seed=seed)
    return (x + np.copysign(0.1, x)).astype(dtype)


def assert_close(got, want, tolerance):
    """Compare the largest difference with the largest magnitude.

    Unlike an error relative to each element, it tolerates zeros.
    """
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    scale = max(np.max(np.abs(want), initial=0), 1e-300)
    assert np.max(np.abs(got - want), initial=0) <= tolerance * scale


def one_pass(layer, x, dy, *, train=True, **how):
    """y and dx of one forward and backward pass, as copies."""
    cache = layer.cache()
    y = layer.forward(x, cache, train=train).copy()
    dx = layer.backward(dy.copy(), cache, **how)
    return y, None if dx is None else dx.copy()


def in_float64(layer, seed=0):
    """Build the layer in double precision."""
    return layer.build(seed=seed, dtype="float64")


def set_parameters(layer, **values):
    """Write into a built layer's parameters and statistics."""
    for name, value in values.items():
        getattr(layer, name)[...] = value


def buffers(cache):
    """All arrays of a cache and of its layers' caches: named buffers and attributes."""
    found = {}
    for i, part in enumerate(cache.parts):
        found |= {f"{i}.{name}": array for name, array in buffers(part).items()}
    found |= cache.buffers
    attributes = {name: x for name, x in vars(cache).items() if isinstance(x, np.ndarray)}
    return found | attributes


class Vector(nn.Layer):
    """A layer as a user writes it: y = x + w. Optimizers see a single parameter vector."""

    def __init__(self, n):
        super().__init__()
        self.n = n
        self.parameter_shapes = {"w": (n,)}

    def forward(self, x, cache, *, train=False):
        return self.ops.add_(self._copied(x, cache), self.w)

    def backward(self, dy, cache, *, grads="write", need_dx=True):
        if grads != "skip":
            self.ops.sum_rows(dy, out=self.dw, add=grads == "add")
        return dy if need_dx else None

    def _copied(self, x, cache):
        y = cache.buffer_like("y", x)
        self.ops.copy_(y, x)
        return y
