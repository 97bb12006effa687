"""Initial weights: each initializer draws a float64 array from a `numpy.random.Generator`.

fan_in is the number of inputs that feed one output, fan_out the number of outputs that one input
feeds; both include the kernel's area in a convolution. `gain` scales for the activation that
follows: 1 for tanh and sigmoid, sqrt(2) for ReLU, which the He initializers already contain.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nn.errors import ShapeError
from nn.settings import Shape, real


class Initializer(Protocol):
    """Anything that can be called like the classes below."""

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray: ...


@dataclass(frozen=True)
class Constant:
    """Every element is `value`."""

    value: float = 0.0

    def __post_init__(self) -> None:
        _check(self, "value", "to be a finite number", math.isfinite)

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Normal:
    """N(0, std^2)."""

    std: float = 0.02

    def __post_init__(self) -> None:
        _check(self, "std", "of at least 0", _not_negative)

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return self.std * rng.standard_normal(shape)


@dataclass(frozen=True)
class GlorotNormal:
    """N(0, gain^2 2 / (fan_in + fan_out)), also called Xavier. Source: Glorot & Bengio 2010."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "gain", "of at least 0", _not_negative)

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return self.gain * (2 / (fan_in + fan_out)) ** 0.5 * rng.standard_normal(shape)


@dataclass(frozen=True)
class GlorotUniform:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)). Source: Glorot & Bengio 2010, eq. 16."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "gain", "of at least 0", _not_negative)

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        bound = self.gain * (6 / (fan_in + fan_out)) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class HeNormal:
    """N(0, 2 / fan_in). Source: He et al. 2015, eq. 10."""

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        return (2 / fan_in) ** 0.5 * rng.standard_normal(shape)


@dataclass(frozen=True)
class HeUniform:
    """U(-a, a) with a = sqrt(6 / fan_in), which has the variance of `HeNormal`."""

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        bound = (6 / fan_in) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class TorchDefault:
    """U(-a, a) with a = 1 / sqrt(fan_in), PyTorch's default for linear and convolutional layers."""

    def __call__(
        self, rng: np.random.Generator, shape: Shape, *, fan_in: int, fan_out: int
    ) -> np.ndarray:
        bound = fan_in**-0.5
        return rng.uniform(-bound, bound, shape)


def weight_and_bias(init: Initializer | None) -> tuple[Initializer, Initializer]:
    """The initializers of W and b: PyTorch's defaults for None; else `init`, and zeros for b."""
    return (init, Constant(0.0)) if init else (TorchDefault(), TorchDefault())


def checked_initializer(owner: str, value: Any) -> Initializer | None:
    """A layer's `init` unchanged, or `ShapeError` if it is neither None nor an initializer."""
    if value is not None and (isinstance(value, type) or not callable(value)):
        raise ShapeError(
            f"{owner}: expected init to be an initializer, such as HeNormal(), or None, "
            f"got {value!r}"
        )
    return value


def _check(initializer: Any, name: str, what: str, holds: Callable[[float], bool]) -> None:
    """Convert a field to a plain float, or raise `ShapeError`."""
    number = real(type(initializer).__name__, name, getattr(initializer, name), what, holds)
    object.__setattr__(initializer, name, number)  # the only way in a frozen dataclass


def _not_negative(number: float) -> bool:
    return number >= 0
