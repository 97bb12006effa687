"""Sampling: new images from a trained generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from os import PathLike
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.latent import Latent
from nn import ByhandError, Sequential, WeightsError, load_weights
from nn.ops.base import Array
from nn.serialization.pass_size import pass_size

# Bounds on what a weights file may ask for
MAX_CLASSES = 1000
MAX_LATENT_SIZE = 10_000
MAX_RANGE = 1e30  # of pixels, far beyond any in use
MAX_PASS_SIZE = 1_000_000  # numbers per image: three times those of dcgan, the largest recipe

AT_ONCE = 1000  # images per pass: enough to be fast, few enough to need little memory
NUMBERS_AT_ONCE = 400_000_000  # per pass: those of AT_ONCE images of dcgan


def make_images(
    generator: Sequential, inputs: Array, image_range: tuple[float, float]
) -> np.ndarray:
    """Generate images in evaluation mode.

    Parameters
    ----------
    generator : built
    inputs : (N, n_in) on its device
    image_range : (low, high) of its output

    Returns
    -------
    float32 (N, ...) in [0, 1], on the host

    Raises
    ------
    RunError : the images are not finite
    """
    low, high = image_range
    with np.errstate(all="ignore"):  # weights from a file may be useless, which is seen below
        images = generator.ops.to_host(generator(inputs)).astype(np.float32)
        images = np.clip((images - low) / (high - low), 0, 1)
    if np.isnan(images).any():
        raise RunError(
            "images: expected finite ones from the generator, got NaN; its weights are useless, "
            "train again"
        )
    return images


@dataclass(frozen=True)
class Sampler:
    """A generator and what sampling from it needs; `load_sampler` reads one from a weights file.

    Parameters
    ----------
    generator : built
    latent : its noise
    image_range : (low, high) of its output
    classes : number of labelled classes, if it is conditional on them, else 0
    class_prior : of a generator trained with clusters: the probability of each, summing to 1
    """

    generator: Sequential
    latent: Latent
    image_range: tuple[float, float]
    classes: int = 0
    class_prior: tuple[float, ...] | None = None

    @property
    def num_classes(self) -> int:
        """The number of classes or clusters; 0 if unconditional."""
        return self.classes or len(self.class_prior or ())

    def inputs(self, count: int, seed: Any, digits: Any = None) -> Array:
        """Draw inputs for G: noise, and one-hot classes.

        Parameters
        ----------
        count : number of images
        seed : int, `numpy.random.SeedSequence`, or None for a new one each time; equal seeds give
            equal inputs
        digits : integers (count,), the class of each image; None draws them, uniformly or from
            `class_prior`

        Returns
        -------
        (count, latent.size + num_classes), of the generator's dtype and device

        Raises
        ------
        RunError : the generator does not know such a class
        """
        if digits is not None and not self.classes:
            raise RunError(
                "digits: expected a generator trained with classes, this one is unconditional"
            )
        sequence = (
            seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        )
        noise = self._noise(count, sequence)
        classes = self._random_classes(count, sequence) if digits is None else digits
        return self._with_classes(noise, classes)

    def images(self, inputs: Array) -> np.ndarray:
        """Generate images from `inputs`: float32 (N, 28, 28) in [0, 1]."""
        n = min(AT_ONCE, NUMBERS_AT_ONCE // pass_size(self.generator, inputs.shape[1:]))
        parts = [
            make_images(self.generator, inputs[i : i + n], self.image_range)
            for i in range(0, len(inputs), n)
        ]
        return np.concatenate(parts).reshape(-1, 28, 28)

    def walks(self, rows: int, columns: int, seed: Any, digits: Any = None) -> np.ndarray:
        """Walk through the latent space: each row goes from one random point to another.

        Parameters
        ----------
        rows, columns : number of walks, and images in each
        seed : int, or None for a new one each time
        digits : integers (rows,), the class of each row; None takes classes in turn, from 0, and
            draws clusters from `class_prior`

        Returns
        -------
        float32 (rows * columns, 28, 28) in [0, 1]
        """
        sequence = np.random.SeedSequence(seed)
        ends = self._noise(2 * rows, sequence)
        points = [self.latent.walk(ends[2 * i], ends[2 * i + 1], columns) for i in range(rows)]
        if digits is None and self.classes:
            digits = np.arange(rows) % self.classes
        elif digits is None:
            digits = self._random_classes(rows, sequence)
        return self.images(self._with_classes(np.concatenate(points), np.repeat(digits, columns)))

    def _random_classes(self, count: int, sequence: np.random.SeedSequence) -> np.ndarray:
        rng = np.random.default_rng(sequence.spawn(1)[0])
        return rng.choice(self.num_classes or 1, count, p=self.class_prior)

    def _noise(self, count: int, sequence: np.random.SeedSequence) -> np.ndarray:
        """z, on the host."""
        ops = self.generator.ops
        z = ops.empty((count, self.latent.size), self.generator.dtype)
        return ops.to_host(self.latent.draw_(z, ops.stream(sequence)))

    def _with_classes(self, noise: np.ndarray, classes: Any) -> Array:
        """Noise and one-hot classes side by side, on the device."""
        if not self.num_classes:
            return self.generator.ops.asarray(noise)
        one_hot = np.equal.outer(classes, np.arange(self.num_classes)).astype(noise.dtype)
        if not one_hot.any(axis=1).all():
            raise RunError(f"digits: expected numbers in 0..{self.num_classes - 1}, got {classes}")
        return self.generator.ops.asarray(np.concatenate([noise, one_hot], axis=1))


def load_sampler(path: str | PathLike[str], device: Any = "cpu") -> Sampler:
    """Read the generator of a weights file that a run wrote.

    Parameters
    ----------
    path : the .npz
    device : name of a device, or a backend

    Raises
    ------
    WeightsError : the file does not hold a generator of digits
    """
    networks, info = load_weights(path, device=device)
    if "G" not in networks:
        found = ", ".join(networks) or "no network"
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {found}")
    try:
        return _sampler(networks["G"], info)
    except (KeyError, OverflowError, TypeError, ValueError, ByhandError) as problem:
        raise WeightsError(
            f"{path}: it does not say how to sample its generator ({problem})"
        ) from None


def _sampler(generator: Sequential, info: dict[str, Any]) -> Sampler:
    """The `Sampler` that a file's header describes; `WeightsError` where that is out of bounds."""
    latent = Latent(info["latent"]["size"], info["latent"]["distribution"])
    if latent.size > MAX_LATENT_SIZE:
        raise WeightsError(
            f"expected a latent of at most {MAX_LATENT_SIZE:,} numbers, got {latent.size:,}"
        )
    low, high = map(float, info["image_range"])
    classes, prior = info.get("classes", 0), info.get("shares")
    if not isinstance(classes, int) or not 0 <= classes <= MAX_CLASSES:
        raise WeightsError(f"expected a number of classes up to {MAX_CLASSES}, got {classes!r}")
    if prior is not None:
        prior = tuple(map(float, prior))
        sums_to_1 = min(prior) >= 0 and abs(sum(prior) - 1) < 1e-9
        if classes or len(prior) > MAX_CLASSES or not sums_to_1:
            raise WeightsError(
                f"expected shares of up to {MAX_CLASSES} clusters that sum to 1, and no classes "
                "beside them"
            )
    n_in = latent.size + (classes or len(prior or ()))
    pixels = math.prod(generator.output_shape((n_in,)))
    if not -MAX_RANGE < low < high < MAX_RANGE or pixels != 784:
        raise WeightsError(
            "expected 784 pixels in a range of two rising, finite numbers, "
            f"got {pixels} in [{low}, {high}]"
        )
    if (size := pass_size(generator, (n_in,))) > MAX_PASS_SIZE:
        raise WeightsError(
            f"expected at most {MAX_PASS_SIZE:,} numbers in a pass for one image, got {size:,}"
        )
    return Sampler(generator, latent, (low, high), classes, prior)
