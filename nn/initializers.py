"""First values of the weights: each draws a float64 array of a shape from a `numpy.random.Generator`.

fan_in and fan_out count how many inputs feed an output and how many outputs an input feeds; for a convolution both
include the kernel's area. gain widens for what follows: sqrt(2) for ReLU (He's are this already), 1 for tanh and sigmoid.
"""

import math
from dataclasses import dataclass

import numpy as np

from nn.settings import real


@dataclass(frozen=True)
class Constant:
    """Every element is `value`."""

    value: float = 0.0

    def __post_init__(self):
        _check(self, "value", "as a finite number", math.isfinite)

    def __call__(self, rng, shape, *, fan_in, fan_out):
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Normal:
    """N(0, std^2)."""

    std: float = 0.02

    def __post_init__(self):
        _check(self, "std", "of at least 0", lambda std: std >= 0)

    def __call__(self, rng, shape, *, fan_in, fan_out):
        return self.std * rng.standard_normal(shape)


@dataclass(frozen=True)
class GlorotNormal:
    """N(0, gain^2 2 / (fan_in + fan_out)). Source: Glorot & Bengio 2010; "Xavier" elsewhere."""

    gain: float = 1.0

    def __post_init__(self):
        _check(self, "gain", "of at least 0", lambda gain: gain >= 0)

    def __call__(self, rng, shape, *, fan_in, fan_out):
        return self.gain * (2 / (fan_in + fan_out)) ** 0.5 * rng.standard_normal(shape)


@dataclass(frozen=True)
class GlorotUniform:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010, eq. 16."""

    gain: float = 1.0

    def __post_init__(self):
        _check(self, "gain", "of at least 0", lambda gain: gain >= 0)

    def __call__(self, rng, shape, *, fan_in, fan_out):
        bound = self.gain * (6 / (fan_in + fan_out)) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class HeNormal:
    """N(0, 2 / fan_in). Source: He et al. 2015, eq. 10."""

    def __call__(self, rng, shape, *, fan_in, fan_out):
        return (2 / fan_in) ** 0.5 * rng.standard_normal(shape)


@dataclass(frozen=True)
class HeUniform:
    """U(-a, a) with a = sqrt(6 / fan_in): the variance of HeNormal."""

    def __call__(self, rng, shape, *, fan_in, fan_out):
        bound = (6 / fan_in) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class TorchDefault:
    """U(-a, a) with a = 1 / sqrt(fan_in): how PyTorch starts the weights and biases of linear and convolutional layers."""

    def __call__(self, rng, shape, *, fan_in, fan_out):
        bound = fan_in**-0.5
        return rng.uniform(-bound, bound, shape)


def _check(initializer, name, what, holds):
    """Make a plain float of a field, or raise `ShapeError`."""
    number = real(type(initializer).__name__, name, getattr(initializer, name), what, holds)
    object.__setattr__(initializer, name, number)  # a frozen dataclass has no other way
