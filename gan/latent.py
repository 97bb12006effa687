"""The latent noise that a generator turns into images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from nn import ShapeError
from nn.ops.base import Array

DISTRIBUTIONS = ("normal", "uniform")


@dataclass(frozen=True)
class Latent:
    """Noise z of shape (N, size).

    Parameters
    ----------
    size
        Elements of z per image.
    distribution
        Of each element: "normal" for N(0, 1), "uniform" for U(-1, 1).

    Raises
    ------
    ShapeError
        If the size is not a positive integer, or the distribution is another.
    """

    size: int = 100
    distribution: str = "normal"

    def __post_init__(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            known = ", ".join(DISTRIBUTIONS)
            raise ShapeError(
                f"latent: expected a distribution of {known}, got {self.distribution!r}"
            )
        if not isinstance(self.size, int) or self.size < 1:
            raise ShapeError(f"latent: expected a size of at least 1, got {self.size!r}")

    def draw_(self, out: Array, stream: Any) -> Array:
        """Fill an array (N, size) with noise from a stream of its device, and return it."""
        if self.distribution == "normal":
            return stream.normal_(out)
        return stream.uniform_(out, -1.0, 1.0)

    def walk(self, start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
        """Interpolate between two points without leaving the region where the noise is likely.

        Uniform noise is interpolated linearly. Normal noise, whose norm hardly varies, follows the
        great circle, where a is the angle between the points:
        sin((1 - t) a) / sin(a) start + sin(t a) / sin(a) end.

        Parameters
        ----------
        start, end
            Points (size,), on the host.
        steps
            Number of points, including both ends.

        Returns
        -------
        ndarray
            (steps, size), in the dtype of `start`.

        References
        ----------
        White 2016, "Sampling generative networks".
        """
        t = np.linspace(0, 1, steps, dtype=start.dtype)[:, None]
        if self.distribution == "uniform":
            return (1 - t) * start + t * end
        cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
        angle = np.arccos(np.clip(cosine, -1, 1))
        if np.sin(angle) < 1e-6:
            return (1 - t) * start + t * end
        points = np.sin((1 - t) * angle) * start + np.sin(t * angle) * end
        return (points / np.sin(angle)).astype(start.dtype)
