"""Point sets by name: random points of a known distribution in [-1, 1] x [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gan.errors import DataError

N_POINTS = 8192
N_GAUSSIANS, GAUSSIAN_RADIUS, GAUSSIAN_SPREAD = 8, 0.8, 0.02
CIRCLE_RADIUS, SPREAD = 0.7, 0.02
TURNS = 1.25  # of each arm of the spirals


def circle(n: int, rng: np.random.Generator) -> np.ndarray:
    """A circle with a little noise, (n, 2)."""
    angles = rng.uniform(0, 2 * np.pi, n)
    return CIRCLE_RADIUS * on_circle(angles) + rng.normal(0, SPREAD, (n, 2))


def eight_gaussians(n: int, rng: np.random.Generator) -> np.ndarray:
    """Eight narrow Gaussians on a circle, (n, 2): as many modes, which a GAN may lose."""
    angles = 2 * np.pi * rng.integers(0, N_GAUSSIANS, n) / N_GAUSSIANS
    return GAUSSIAN_RADIUS * on_circle(angles) + rng.normal(0, GAUSSIAN_SPREAD, (n, 2))


def spirals(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two spirals around each other, (n, 2)."""
    t = np.sqrt(rng.uniform(0.03, 1, n))  # even along the arms
    angles = 2 * np.pi * TURNS * t + np.pi * rng.integers(0, 2, n)
    return 0.9 * t[:, np.newaxis] * on_circle(angles) + rng.normal(0, SPREAD, (n, 2))


def on_circle(angles: np.ndarray) -> np.ndarray:
    """The points of the unit circle at these angles, (n, 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


PATTERNS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "eight-gaussians": eight_gaussians,
    "circle": circle,
    "spirals": spirals,
}


def pattern(name: str, n: int = N_POINTS) -> np.ndarray:
    """The points of a pattern, the same each time: float64 (n, 2).

    Raises
    ------
    DataError
        If there is no such pattern.
    """
    if name not in PATTERNS:
        raise DataError(f"points: expected one of {', '.join(PATTERNS)}, got {name!r}")
    return PATTERNS[name](n, np.random.default_rng(0))
