"""New images from a trained generator."""

from dataclasses import dataclass

import numpy as np

from gan.latent import Latent
from nn import ByhandError, RunError, Sequential, WeightsError, load_weights

MOST_CLASSES = 1000  # that a file may ask for
AT_ONCE = 1000  # images in one pass: enough to be fast, few enough to need little memory


def make_images(generator, inputs, image_range):
    """The generator's images of inputs on its device, in evaluation mode: float32 (N, ...) in [0, 1] on the host."""
    low, high = image_range
    images = generator.ops.to_host(generator(inputs)).astype(np.float32)
    return np.clip((images - low) / (high - low), 0, 1)


@dataclass(frozen=True)
class Sampler:
    """A generator with what it needs to draw: read from a weights file by `load_sampler`.

    classes: how many kinds of image it can be asked for, 0 if it draws what it likes. Errors: `RunError` for a class asked of
    a generator that does not know it.
    """

    generator: Sequential
    latent: Latent
    image_range: tuple[float, float]
    classes: int = 0

    def inputs(self, count, seed, digits=None):
        """What G makes so many images of: noise, and the classes, (count, latent size + classes) of its dtype on its device.

        digits: the class of each image, integers (count,); None draws them, all equally likely. Equal seeds give equal inputs.
        """
        sequence = np.random.SeedSequence(seed)
        noise = self._noise(count, sequence)
        if digits is None:
            digits = np.random.default_rng(sequence.spawn(1)[0]).integers(0, self.classes or 1, count)
        elif not self.classes:
            raise RunError("digits: expected a generator that was trained with classes, this one draws what it likes")
        return self._asked(noise, digits)

    def images(self, inputs):
        """Images of such inputs: float32 (N, 28, 28) in [0, 1]."""
        parts = [make_images(self.generator, inputs[i : i + AT_ONCE], self.image_range) for i in range(0, len(inputs), AT_ONCE)]
        return np.concatenate(parts).reshape(-1, 28, 28)

    def walks(self, rows, columns, seed, digits=None):
        """A walk between two points of noise in each row: images of shape (rows * columns, 28, 28).

        digits: the class of each row; None lets them follow one another, from 0.
        """
        ends = self._noise(2 * rows, np.random.SeedSequence(seed))
        points = [self.latent.walk(ends[2 * i], ends[2 * i + 1], columns) for i in range(rows)]
        digits = np.arange(rows) % max(self.classes, 1) if digits is None else np.asarray(digits)
        return self.images(self._asked(np.concatenate(points), digits.repeat(columns)))

    def _noise(self, count, sequence):
        """z, on the host."""
        ops = self.generator.ops
        return ops.to_host(self.latent.draw_(ops.empty((count, self.latent.size), self.generator.dtype), ops.stream(sequence)))

    def _asked(self, noise, digits):
        """Noise with a one at the place of each image's class, on the device."""
        if not self.classes:
            return self.generator.ops.asarray(noise)
        one_hot = np.equal.outer(digits, np.arange(self.classes)).astype(noise.dtype)
        if not one_hot.any(axis=1).all():
            raise RunError(f"digits: expected numbers in 0..{self.classes - 1}, got {digits}")
        return self.generator.ops.asarray(np.concatenate([noise, one_hot], axis=1))


def load_sampler(path, device="cpu"):
    """The generator of a weights file that a training wrote. `WeightsError` if the file does not hold one of digits."""
    networks, info = load_weights(path, device=device)
    if "G" not in networks:
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {', '.join(networks) or 'no network'}")
    try:
        latent = Latent(info["latent"]["size"], info["latent"]["distribution"])
        low, high = map(float, info["image_range"])
        classes = info.get("classes", 0)
        if not isinstance(classes, int) or not 0 <= classes <= MOST_CLASSES:
            raise WeightsError(f"expected a number of classes up to {MOST_CLASSES}, got {classes!r}")
        made = int(np.prod(networks["G"].output_shape((latent.size + classes,))))
        if not -np.inf < low < high < np.inf or made != 784:
            raise WeightsError(f"expected 784 pixels in a range of two rising, finite numbers, got {made} in [{low}, {high}]")
    except (KeyError, TypeError, ValueError, ByhandError) as problem:
        raise WeightsError(f"{path}: it does not tell how to draw images with its generator ({problem})") from None
    return Sampler(networks["G"], latent, (low, high), classes)
