"""The noise that a generator makes images of."""

from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from nn import ShapeError

DISTRIBUTIONS = ("normal", "uniform")


@dataclass(frozen=True)
class Latent:
    """z: (N, size), each element N(0, 1) for "normal", or U(-1, 1) for "uniform"."""

    size: int = 100
    distribution: str = "normal"

    def __post_init__(self):
        if self.distribution not in DISTRIBUTIONS:
            raise ShapeError(f"latent: expected a distribution of {', '.join(DISTRIBUTIONS)}, got {self.distribution!r}")
        if not isinstance(self.size, int) or self.size < 1:
            raise ShapeError(f"latent: expected a size of at least 1, got {self.size!r}")

    def draw_(self, out, stream):
        """Fill an array of a device with noise from a stream of that device."""
        return stream.normal_(out) if self.distribution == "normal" else stream.uniform_(out, -1.0, 1.0)

    def walk(self, start, end, steps):
        """Points from `start` to `end`, vectors alike: (steps, size), inside the region where the noise is likely.

        Between normal points, whose length hardly varies, along the great circle: sin((1 - t) a) / sin(a) start +
        sin(t a) / sin(a) end with a the angle between them; between uniform points, straight. Source: White 2016.
        """
        t = np.linspace(0, 1, steps, dtype=start.dtype)[:, None]
        if self.distribution == "uniform":
            return (1 - t) * start + t * end
        cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
        angle = np.arccos(np.clip(cosine, -1, 1))
        if np.sin(angle) < 1e-6:
            return (1 - t) * start + t * end
        return ((np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)).astype(start.dtype)
