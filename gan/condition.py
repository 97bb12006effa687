"""What a generator is conditional on: the class or the cluster of the image to draw."""

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
    def num_classes(self) -> int:
        """The number of clusters or, without them, of classes; 0 if there are none."""
        return len(self.class_prior or ()) or self.classes

    @property
    def count(self) -> int:
        """How many numbers there are; 0 without classes."""
        return self.num_classes**self.per_image

    @property
    def size(self) -> int:
        """The length of an image's one-hot class, or of its one-hot clusters side by side."""
        return self.num_classes * self.per_image

    def random(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n numbers: classes uniformly, or clusters from `class_prior`."""
        drawn = rng.choice(self.num_classes or 1, (n, self.per_image), p=self.class_prior)
        return self._numbers(drawn)

    def of_classes(self, classes: Any, rng: np.random.Generator) -> np.ndarray:
        """Draw a cluster of each of these classes, integers (N,), from `class_prior`.

        Without clusters, they are the classes themselves. `RunError` if there is no such class.
        """
        classes = checked_numbers(classes, self.classes)
        if self.class_prior is None:
            return classes
        shares = self._shares()
        bounds = shares.cumsum(axis=1)[classes]  # of each cluster, among those of the image's class
        u = rng.random((len(classes), 1)) * bounds[:, -1:]
        return classes * shares.shape[1] + (u >= bounds[:, :-1]).sum(axis=1)

    def classes_of(self, numbers: np.ndarray) -> np.ndarray:
        """The labelled classes, integers (N,), of numbers of classes or of their clusters."""
        return numbers * self.classes // self.num_classes

    def typical(self, most: int) -> np.ndarray:
        """Of each class the most frequent cluster, or without classes each cluster; at most `most`.

        These are numbers, integers (n,). Several clusters of an image are the same.
        """
        if not self.classes or self.class_prior is None:
            first = np.arange(min(self.num_classes, most))
            return self._numbers(np.tile(first[:, None], self.per_image))
        shares = self._shares()[:most]
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
        k = self.num_classes
        if not k:
            return np.zeros((len(numbers), 0), bool)
        numbers = checked_numbers(numbers, self.count)
        parts = numbers[:, None] // k ** np.arange(self.per_image) % k
        return np.equal.outer(parts, np.arange(k)).reshape(len(numbers), self.size)

    def numbers(self, one_hot: np.ndarray) -> np.ndarray:
        """The numbers int64 (N,) of rows of `one_hot`, (N, size); 0 without classes."""
        if not self.num_classes:
            return np.zeros(len(one_hot), np.int64)
        rows = one_hot.reshape(len(one_hot), self.per_image, self.num_classes)
        return self._numbers(rows.argmax(axis=2))

    def _numbers(self, parts: np.ndarray) -> np.ndarray:
        """The numbers of images with these clusters, integers (N, per_image)."""
        return parts @ self.num_classes ** np.arange(self.per_image)

    def _shares(self) -> np.ndarray:
        """The probabilities of each class's clusters, (classes, clusters of each)."""
        return np.reshape(self.class_prior or (), (self.classes, -1))


def checked_numbers(numbers: Any, count: int) -> np.ndarray:
    """The numbers as int64; `RunError` unless they are integers in 0..count-1."""
    numbers = np.asarray(numbers)
    are_integers = numbers.dtype.kind in "iu" or not numbers.size
    if not (are_integers and ((numbers >= 0) & (numbers < count)).all()):
        raise RunError(f"digits: expected numbers in 0..{count - 1}, got {numbers}")
    return numbers.astype(np.int64)
