"""What a generator is told of the image to draw: its class, its cluster, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError


@dataclass(frozen=True)
class Condition:
    """The labelled classes or clusters of a generator, each with a number.

    Of k classes or clusters, they are 0 to k - 1. If classes are divided into clusters, as many in
    each, those of class 0 come first, then those of class 1, and so on. If an image has several
    clusters a_0, a_1, ..., one for each channel, its number is a_0 + a_1 k + a_2 k^2 + ...

    Parameters
    ----------
    classes
        Number of labelled classes, or 0.
    class_prior
        The probability of each cluster; None without clusters.
    per_image
        How many clusters an image has.
    """

    classes: int = 0
    class_prior: tuple[float, ...] | None = None
    per_image: int = 1

    @property
    def k(self) -> int:
        """The number of clusters or, without them, of classes; 0 if there are none."""
        return len(self.class_prior or ()) or self.classes

    @property
    def count(self) -> int:
        """How many numbers there are; 0 without classes."""
        return self.k**self.per_image

    @property
    def size(self) -> int:
        """The length of an image's one-hot class, or of its one-hot clusters side by side."""
        return self.k * self.per_image

    def random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n numbers: classes uniformly, or clusters from `class_prior`."""
        drawn = rng.choice(self.k or 1, (n, self.per_image), p=self.class_prior)
        return self._numbers(drawn)

    def of_classes(self, classes: Any, rng: np.random.Generator) -> np.ndarray:
        """Draw a cluster of each of these classes, integers (N,), from `class_prior`.

        Without clusters, they are the classes themselves. `RunError` if there is no such class.
        """
        classes = np.asarray(classes)
        if not ((classes >= 0) & (classes < self.classes)).all():
            raise RunError(f"digits: expected numbers in 0..{self.classes - 1}, got {classes}")
        if self.class_prior is None:
            return classes
        shares = np.reshape(self.class_prior, (self.classes, -1))
        bounds = shares.cumsum(axis=1)[classes]  # of each cluster, among those of the image's class
        u = rng.random((len(classes), 1)) * bounds[:, -1:]
        return classes * shares.shape[1] + (u >= bounds[:, :-1]).sum(axis=1)

    def classes_of(self, numbers: np.ndarray) -> np.ndarray:
        """The labelled classes, integers (N,), of numbers of classes or of their clusters."""
        return numbers * self.classes // self.k

    def typical(self, most: int) -> np.ndarray:
        """Of each class the most frequent cluster, or without classes each cluster; at most `most`.

        These are numbers, integers (n,).
        """
        if not self.classes or self.class_prior is None:
            return np.arange(min(self.count, most))
        shares = np.reshape(self.class_prior, (self.classes, -1))[:most]
        return np.arange(len(shares)) * shares.shape[1] + shares.argmax(axis=1)

    def one_hot(self, numbers: Any) -> np.ndarray:
        """Rows that are 1 at the class or cluster of each image, and 0 elsewhere.

        Parameters
        ----------
        numbers
            Integers (N,) in 0..count-1; any without classes.

        Returns
        -------
        ndarray
            bool (N, size), with the clusters of an image side by side.

        Raises
        ------
        RunError
            If there is no such class.
        """
        numbers = np.asarray(numbers)
        if not self.k:
            return np.zeros((len(numbers), 0), bool)
        if not ((numbers >= 0) & (numbers < self.count)).all():
            raise RunError(f"digits: expected numbers in 0..{self.count - 1}, got {numbers}")
        parts = numbers[:, None] // self.k ** np.arange(self.per_image) % self.k
        return np.equal.outer(parts, np.arange(self.k)).reshape(len(numbers), self.size)

    def numbers(self, one_hot: np.ndarray) -> np.ndarray:
        """The numbers int64 (N,) of rows of `one_hot`, (N, size); 0 without classes."""
        if not self.k:
            return np.zeros(len(one_hot), np.int64)
        return self._numbers(one_hot.reshape(len(one_hot), self.per_image, self.k).argmax(axis=2))

    def _numbers(self, parts: np.ndarray) -> np.ndarray:
        """The numbers of images with these clusters, integers (N, per_image)."""
        return parts @ self.k ** np.arange(self.per_image)
