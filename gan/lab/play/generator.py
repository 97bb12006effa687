"""A trained generator that the page plays with, and the discriminator that was trained with it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.image_shapes import POINTS
from gan.data.sources import DIGIT_DATASETS
from gan.description import Description
from gan.errors import RunError
from gan.generator_file import generator_of
from gan.images import as_pictures
from gan.recipe import DIGITS
from gan.sampling import Sampler
from gan.training.checks import without_sigmoid
from nn import ByhandError, Sequential, load_weights
from nn.ops.base import Array, Ops


@dataclass(frozen=True)
class PlayedGenerator:
    """A generator and what belongs to it.

    Parameters
    ----------
    sampler
        The generator.
    discriminator
        The discriminator up to its logits; None if the file has none that takes single images.
    description
        What the file says about the generator.
    """

    sampler: Sampler
    discriminator: Sequential | None
    description: Description

    @classmethod
    def load(cls, path: str | PathLike[str], ops: Ops) -> PlayedGenerator:
        """Read a weights file within the bounds of `load_sampler`, which also says what it raises.

        A discriminator is left out unless it gives logits for the images of this generator.
        """
        networks, info = load_weights(path, device=ops)
        sampler, _ = generator_of(path, networks, info)
        if sampler.image_shape == POINTS:
            raise RunError(
                f"{Path(path).name}: expected a generator of images, got one of points; watch its "
                "run in the view Train"
            )
        n_logits, D = sampler.condition.size or 1, None
        if "D" in networks:
            D = without_sigmoid(networks["D"])
            made = sampler.generator.output_shape((sampler.n_in,))
            try:
                fits = D.output_shape(made) == (n_logits,)
            except ByhandError:
                fits = False
            D = D if fits else None
        return cls(sampler, D, Description.from_info(info))

    @property
    def are_digits(self) -> bool:
        """Whether the digit classifier can name the images, as far as the file says."""
        dataset = self.description.training.get("dataset")
        is_known = self.sampler.class_names is None and "source" not in self.description.training
        # None: the file does not say
        is_of_digits = dataset is None or dataset in DIGIT_DATASETS
        return self.sampler.image_shape == DIGITS and is_known and is_of_digits

    def draw(self, count: int, seed: int, label: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Draw noise and classes, as `byhand predict` does with this seed.

        Parameters
        ----------
        count
            Number of images.
        seed
            Equal seeds give equal noise.
        label
            The class of all images or, without classes, their cluster; None draws them.

        Returns
        -------
        z : float32 (count, latent.size)
        labels : int64 (count,), the numbers of their classes or clusters, 0 without
        """
        sampler = self.sampler
        labels = None if label is None else np.full(count, label, np.int64)
        asked = labels if sampler.classes else None
        inputs = sampler.generator.ops.to_host(sampler.inputs(count, seed, asked))
        z, one_hot = inputs[:, : sampler.latent.size], inputs[:, sampler.latent.size :]
        if labels is None or sampler.classes:
            labels = sampler.condition.numbers(one_hot)
        return z, labels

    def inputs(self, z: np.ndarray, classes: np.ndarray) -> Array:
        """The generator's inputs, (N, n_in) on its device.

        Parameters
        ----------
        z
            (N, latent.size).
        classes
            The number of each image's class, integers (N,), or rows in place of one-hot ones, which
            may hold shares of several classes.
        """
        generator = self.sampler.generator
        rows = self.sampler.condition.one_hot(classes) if classes.ndim == 1 else classes
        return generator.ops.asarray(np.concatenate([z, rows], axis=1).astype(generator.dtype))

    def images(self, z: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """uint8 images, (N, H, W) in grey or (N, H, W, 3); the parameters are those of `inputs`."""
        return as_bytes(self.sampler.images(self.inputs(z, classes)))

    def image_and_logit(self, z: np.ndarray, label: int) -> tuple[np.ndarray, float | None]:
        """One image and what D says of it, in one pass of each network.

        Parameters
        ----------
        z
            (1, latent.size).
        label
            Its class or cluster.

        Returns
        -------
        image : uint8 (H, W) or (H, W, 3)
        logit : above 0 for an image that D takes for real; None without D

        Raises
        ------
        RunError
            If the image is not finite.
        """
        sampler = self.sampler
        ops = sampler.generator.ops
        with np.errstate(all="ignore"):  # useless weights are detected below
            output = sampler.generator(self.inputs(z, np.array([label])))
            logits = self.discriminator(output) if self.discriminator else None
        pixels = ops.to_host(output).astype(np.float32)
        low, high = sampler.image_range
        if not np.isfinite(pixels).all():
            raise RunError(
                "images: expected finite ones from the generator, got NaN or infinity; choose "
                "other weights"
            )
        pictures = as_pictures(np.clip((pixels - low) / (high - low), 0, 1), sampler.made_shape)
        if logits is None:
            return as_bytes(pictures)[0], None
        outputs = ops.to_host(logits)[0]
        if sampler.condition.num_classes:
            outputs = outputs[sampler.condition.one_hot(np.array([label]))[0]]
        return as_bytes(pictures)[0], float(outputs.sum())

    def walk(self, z: np.ndarray, labels: np.ndarray, steps: int) -> np.ndarray:
        """Images on the closed way from each point to the next, and from the last to the first.

        As in `Sampler.walks`, noise follows `Latent.walk`, and the class is interpolated linearly.

        Parameters
        ----------
        z
            (N, latent.size), N at least 2.
        labels
            The class of each, (N,).
        steps
            Images from one point to the next, without the next.

        Returns
        -------
        ndarray
            uint8 (N * steps, ...).
        """
        t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[:, None]
        one_hot = self.sampler.condition.one_hot(labels).astype(np.float32)
        noise, classes = [], []
        for k in range(len(z)):
            after = (k + 1) % len(z)
            noise.append(self.sampler.latent.walk(z[k], z[after], steps + 1)[:-1])
            classes.append((1 - t) * one_hot[k] + t * one_hot[after])
        return self.images(np.concatenate(noise), np.concatenate(classes))


def as_bytes(images: np.ndarray) -> np.ndarray:
    """uint8 images from floats in [0, 1]."""
    return np.rint(255 * images).astype(np.uint8)
