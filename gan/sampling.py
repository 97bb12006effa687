"""Drawing new images from a trained generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.image_shapes import ImageShape
from gan.errors import RunError
from gan.images import as_pictures
from gan.latent import Latent
from nn import Sequential
from nn.ops.base import Array
from nn.serialization.pass_size import pass_size

AT_ONCE = 1000  # images per pass: enough to be fast, few enough to need little memory
NUMBERS_AT_ONCE = 400_000_000  # per pass: those of AT_ONCE images of dcgan


def make_images(
    generator: Sequential, inputs: Array, image_range: tuple[float, float]
) -> np.ndarray:
    """Generate images in evaluation mode.

    Parameters
    ----------
    generator
        A built network.
    inputs
        (N, n_in), on its device.
    image_range
        (low, high) of its output.

    Returns
    -------
    ndarray
        float32 (N, ...) in [0, 1], on the host.

    Raises
    ------
    RunError
        If the images are not finite.
    """
    low, high = image_range
    with np.errstate(all="ignore"):  # useless weights are detected below
        images = generator.ops.to_host(generator(inputs)).astype(np.float32)
        images = np.clip((images - low) / (high - low), 0, 1)
    if np.isnan(images).any():
        raise RunError(
            "images: expected finite ones from the generator, got NaN; its weights are useless, "
            "train again"
        )
    return images


def square(shape: tuple[int, ...]) -> ImageShape:
    """An image shape (C, H, W) for one image of a generator: flat ones are square and in grey."""
    if len(shape) == 3:
        return shape
    side = math.isqrt(math.prod(shape))
    return (1, *shape) if len(shape) == 2 else (1, side, side)


@dataclass(frozen=True)
class Sampler:
    """A generator and what drawing from it needs; `gan.generator_file` reads one.

    Parameters
    ----------
    generator
        A built network.
    latent
        The noise that it takes.
    image_range
        (low, high) of its output.
    classes
        Number of labelled classes that it is conditional on, or 0.
    class_prior
        For a generator trained with clusters: the probability of each, summing to 1.
    image_shape
        (C, H, W) of its images. None takes the shape of its output, or a square in grey if that is
        flat.
    class_names
        The names of the labelled classes. None calls them "0", "1" and so on.
    clusters_per_image
        3 for a generator of Stacked MNIST with a cluster for each channel.
    """

    generator: Sequential
    latent: Latent
    image_range: tuple[float, float]
    classes: int = 0
    class_prior: tuple[float, ...] | None = None
    image_shape: ImageShape | None = None
    class_names: tuple[str, ...] | None = None
    clusters_per_image: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labelled classes."""
        return self.class_names or tuple(map(str, range(self.classes)))

    @property
    def num_classes(self) -> int:
        """The number of classes or clusters; 0 if unconditional."""
        return self.classes or len(self.class_prior or ())

    @property
    def num_combinations(self) -> int:
        """The number of classes, or of combinations of an image's clusters; 0 if unconditional."""
        return self.num_classes**self.clusters_per_image

    @property
    def one_hot_size(self) -> int:
        """The length of an image's one-hot class, or of its one-hot clusters side by side."""
        return self.num_classes * self.clusters_per_image

    @property
    def n_in(self) -> int:
        """The width of the generator's inputs."""
        return self.latent.size + self.one_hot_size

    @property
    def made_shape(self) -> ImageShape:
        """(C, H, W) of its images, worked out if `image_shape` is None."""
        return self.image_shape or square(self.generator.output_shape((self.n_in,)))

    def inputs(self, count: int, seed: Any, digits: Any = None) -> Array:
        """Draw inputs for the generator: noise and one-hot classes.

        Parameters
        ----------
        count
            Number of images.
        seed
            An int or a `numpy.random.SeedSequence`; equal seeds give equal inputs. None takes a
            new seed each time.
        digits
            The class of each image, integers (count,). None draws them, uniformly or from
            `class_prior`.

        Returns
        -------
        Array
            (count, n_in), in the generator's dtype and on its device.

        Raises
        ------
        RunError
            If the generator has no such class.
        """
        if digits is not None and not self.classes:
            raise RunError(
                "digits: expected a generator trained with classes, got one without; take a recipe "
                "with classes, such as conv-r1r2-classes, or weights of such a run"
            )
        sequence = (
            seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        )
        noise = self._noise(count, sequence)
        classes = self._random_classes(count, sequence) if digits is None else digits
        return self._with_classes(noise, classes)

    def one_hot(self, classes: Any) -> np.ndarray:
        """Rows for the generator that are 1 at the class of each image, and 0 elsewhere.

        Of an image with n clusters a_0, a_1, ..., the number is a_0 + a_1 k + a_2 k^2 + ..., with k
        the number of clusters, and the row is that of a_0, then that of a_1, and so on.

        Parameters
        ----------
        classes
            Integers (N,) in 0..num_combinations-1.

        Returns
        -------
        ndarray
            bool (N, one_hot_size).

        Raises
        ------
        RunError
            If the generator has no such class.
        """
        classes, k, n = np.asarray(classes), self.num_classes, self.clusters_per_image
        if not ((classes >= 0) & (classes < self.num_combinations)).all():
            most = self.num_combinations - 1
            raise RunError(f"digits: expected numbers in 0..{most}, got {classes}")
        parts = classes[:, None] // k ** np.arange(n) % k
        return np.equal.outer(parts, np.arange(k)).reshape(len(classes), self.one_hot_size)

    def classes_of(self, one_hot: np.ndarray) -> np.ndarray:
        """The classes int64 (N,) of the rows of `one_hot`, (N, one_hot_size); 0 without classes."""
        k, n = self.num_classes, self.clusters_per_image
        if not k:
            return np.zeros(len(one_hot), np.int64)
        return one_hot.reshape(len(one_hot), n, k).argmax(axis=2) @ k ** np.arange(n)

    def images(self, inputs: Array) -> np.ndarray:
        """Generate images from inputs (N, n_in), on the host.

        Returns
        -------
        ndarray
            float32 in [0, 1], (N, H, W) in grey, (N, H, W, 3) in colour. Points are in one picture.
        """
        made = self.generated(inputs)
        return as_pictures(made, self.image_shape or square(made.shape[1:]))

    def generated(self, inputs: Array) -> np.ndarray:
        """What the generator makes of inputs (N, n_in): float32 (N, ...) in [0, 1], on the host."""
        fitting = NUMBERS_AT_ONCE // pass_size(self.generator, inputs.shape[1:])
        n = max(1, min(AT_ONCE, fitting))
        parts = [
            make_images(self.generator, inputs[i : i + n], self.image_range)
            for i in range(0, len(inputs), n)
        ]
        return np.concatenate(parts)

    def walks(self, rows: int, columns: int, seed: Any, digits: Any = None) -> np.ndarray:
        """Draw rows of images that lead from one random input of the generator to another.

        The noise follows `Latent.walk`. The one-hot class or cluster is interpolated linearly, so
        that one digit turns into another. On a great circle its sum would exceed 1, which draws
        bolder and less legible digits.

        Parameters
        ----------
        rows
            Number of walks.
        columns
            Images in each, including both ends.
        seed
            An int, or None for a new seed each time.
        digits
            The class of each row, integers (rows,). None walks from class k to class k + 1, with k
            the row, or from a random cluster to another.

        Returns
        -------
        ndarray
            float32 (rows * columns, H, W) or (rows * columns, H, W, 3) in [0, 1], on the host.

        Raises
        ------
        RunError
            If the generator has no such class.
        """
        return self.images(self.walk_inputs(rows, columns, seed, digits))

    def walk_inputs(self, rows: int, columns: int, seed: Any, digits: Any = None) -> Array:
        """The inputs (rows * columns, n_in) of `walks`, which says more."""
        if digits is not None:
            digits = np.repeat(digits, 2)
        elif self.classes:
            first = np.arange(rows) % self.classes
            digits = np.stack([first, (first + 1) % self.classes], axis=1).ravel()
        ops, size = self.generator.ops, self.latent.size
        ends = ops.to_host(self.inputs(2 * rows, seed, digits)).reshape(rows, 2, -1)
        t = np.linspace(0, 1, columns, dtype=ends.dtype)[:, None]
        inputs = np.empty((rows, columns, ends.shape[2]), ends.dtype)
        for walk, (start, end) in zip(inputs, ends):
            walk[:, :size] = self.latent.walk(start[:size], end[:size], columns)
            walk[:, size:] = (1 - t) * start[size:] + t * end[size:]
        return ops.asarray(inputs.reshape(rows * columns, -1))

    def _random_classes(self, count: int, sequence: np.random.SeedSequence) -> np.ndarray:
        """Draw classes uniformly, or clusters from `class_prior`."""
        rng = np.random.default_rng(sequence.spawn(1)[0])
        k, n = self.num_classes or 1, self.clusters_per_image
        return rng.choice(k, (count, n), p=self.class_prior) @ k ** np.arange(n)

    def _noise(self, count: int, sequence: np.random.SeedSequence) -> np.ndarray:
        """Draw z (count, latent.size), on the host."""
        ops = self.generator.ops
        z = ops.empty((count, self.latent.size), self.generator.dtype)
        return ops.to_host(self.latent.draw_(z, ops.stream(sequence)))

    def _with_classes(self, noise: np.ndarray, classes: Any) -> Array:
        """Join noise and one-hot classes, on the device."""
        if not self.num_classes:
            return self.generator.ops.asarray(noise)
        one_hot = self.one_hot(classes).astype(noise.dtype)
        return self.generator.ops.asarray(np.concatenate([noise, one_hot], axis=1))
