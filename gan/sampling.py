"""Drawing new images from a trained generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.condition import Condition
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
        For a generator trained with clusters: the probability of each, summing to 1. With labelled
        classes, as many clusters are of class 0, then as many of class 1, and so on.
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
    def condition(self) -> Condition:
        """The classes and clusters that the generator is conditional on."""
        return Condition(self.classes, self.class_prior, self.clusters_per_image)

    @property
    def n_in(self) -> int:
        """The width of the generator's inputs."""
        return self.latent.size + self.condition.size

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
            The class of each image, integers (count,); a cluster of the class is drawn from
            `class_prior`. None draws the classes too, uniformly or from `class_prior`.

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
        rng = np.random.default_rng(sequence.spawn(1)[0])
        condition = self.condition
        if digits is None:
            numbers = condition.random(count, rng)
        else:
            numbers = condition.of_classes(digits, rng)
        one_hot = condition.one_hot(numbers).astype(noise.dtype)
        return self.generator.ops.asarray(np.concatenate([noise, one_hot], axis=1))

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

    def _noise(self, count: int, sequence: np.random.SeedSequence) -> np.ndarray:
        """Draw z (count, latent.size), on the host."""
        ops = self.generator.ops
        z = ops.empty((count, self.latent.size), self.generator.dtype)
        return ops.to_host(self.latent.draw_(z, ops.stream(sequence)))
