"""The training images nearest to an image, so that one sees whether it is a copy."""

from __future__ import annotations

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

FITTED_TO = 500  # images that the projection is fitted to
DIMENSIONS = 64  # of the projection
AT_ONCE = 5_000  # images projected at once


class NearestImages:
    """Finds the nearest of many images, exactly, by looking at few of them in full.

    Images are projected on an orthonormal basis P. With c = P x, and r the norm of what the
    projection leaves out,

        |x - y|^2 >= |c_x - c_y|^2 + (r_x - r_y)^2,

    so that only images whose bound is below the distances found so far are compared in full.

    Parameters
    ----------
    images
        uint8 (N, ...), which are not copied.
    seed
        Chooses the images that the projection is fitted to.
    """

    def __init__(self, images: np.ndarray, seed: int = 0) -> None:
        self.images = images
        self._flat = images.reshape(len(images), -1)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(images), min(FITTED_TO, len(images)), replace=False)
        sample = self._flat[np.sort(chosen)].astype(np.float32)
        self._mean = sample.mean(axis=0)
        _, _, V = np.linalg.svd(sample - self._mean, full_matrices=False)
        self._basis = np.ascontiguousarray(V[:DIMENSIONS].T)
        parts = [
            self._project(self._flat[i : i + AT_ONCE].astype(np.float32))
            for i in range(0, len(images), AT_ONCE)
        ]
        self._coordinates = np.concatenate([part[0] for part in parts])
        self._rests = np.concatenate([part[1] for part in parts])
        self._norms = np.einsum("nk,nk->n", self._coordinates, self._coordinates)
        self._between: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._flat)

    def nearest(self, image: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest images.

        Parameters
        ----------
        image
            uint8, as one of the images.
        count
            How many.

        Returns
        -------
        indices : int64 (count,), nearest first
        distances : float64 (count,), the root of the mean squared difference of pixels in [0, 1]
        """
        count = min(count, len(self))
        x = image.reshape(1, -1).astype(np.float32)
        c, rest = self._project(x)
        bounds = self._norms + float((c**2).sum()) - 2 * (self._coordinates @ c[0])
        bounds += (self._rests - rest[0]) ** 2
        bounds -= 1e-3 * np.abs(bounds) + 1  # what float32 may have rounded
        first = np.argpartition(bounds, count - 1)[:count]
        limit = self._squares(first, x).max()
        candidates = np.flatnonzero(bounds <= limit)
        squares = self._squares(candidates, x)
        order = np.argsort(squares, kind="stable")[:count]
        return candidates[order], np.sqrt(squares[order] / x.size) / 255

    def distance_to_nearest(self, index: int) -> float:
        """The distance of one of the images to the nearest other; each is computed once."""
        if index not in self._between:
            _, distances = self.nearest(self.images[index], 2)  # itself comes first
            self._between[index] = float(distances[-1])
        return self._between[index]

    def _project(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """c and r of images (n, pixels)."""
        centred = x - self._mean
        c = centred @ self._basis
        squares = (centred**2).sum(axis=1) - (c**2).sum(axis=1)
        return c, np.sqrt(np.maximum(squares, 0))

    def _squares(self, indices: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The squared distances of these images from x, in steps of 1/255."""
        difference = self._flat[indices].astype(np.float32) - x
        return np.einsum("np,np->n", difference, difference, dtype=np.float64)
