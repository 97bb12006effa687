"""What several tests of nn/ share."""

import numpy as np

import nn


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def away_from_zero(*shape, seed=0, dtype=np.float64):
    """Normal values, none of them nearer than 0.1 to the kink of ReLU."""
    x = normal(*shape, seed=seed)
    return (x + np.copysign(0.1, x)).astype(dtype)


def assert_close(got, want, tolerance):
    """Largest difference over largest magnitude, which zeros do not disturb as a relative error by element would."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert np.isfinite(got).all()
    assert np.max(np.abs(got - want), initial=0) <= tolerance * max(np.max(np.abs(want), initial=0), 1e-300)


def one_pass(layer, x, dy, *, train=True, **how):
    """y and dx of one forward and backward pass, as copies."""
    cache = layer.cache()
    y = layer.forward(x, cache, train=train).copy()
    dx = layer.backward(dy.copy(), cache, **how)
    return y, None if dx is None else dx.copy()


def in_float64(layer, seed=0):
    return layer.build(seed=seed, dtype="float64")


def set_parameters(layer, **values):
    """Write into a built layer's parameters and statistics."""
    for name, value in values.items():
        getattr(layer, name)[...] = value


def buffers(cache):
    """Every array that a cache, and the caches of a network's layers, hold by name or as attributes."""
    found = {}
    for i, part in enumerate(cache.parts):
        found |= {f"{i}.{name}": array for name, array in buffers(part).items()}
    found |= cache.buffers
    return found | {name: value for name, value in vars(cache).items() if isinstance(value, np.ndarray)}


class Vector(nn.Layer):
    """A learner's own layer: y = x + w, with a single parameter vector for optimizers to work on."""

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
