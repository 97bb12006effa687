"""New images from a trained generator."""

import math
from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.latent import Latent
from nn import ByhandError, RunError, Sequential, WeightsError, load_weights
from nn.serialization.pass_size import pass_size

MOST_KINDS = 1000  # that a file may ask for
MOST_NOISE = 10_000  # numbers that an image is made of
WIDEST = 1e30  # image range, far beyond any that is in use
MOST_NUMBERS = 1_000_000  # that a file's generator may work with for one image: three times dcgan's, the largest recipe's
AT_ONCE = 1000  # images in one pass: enough to be fast, few enough to need little memory
NUMBERS_AT_ONCE = 400_000_000  # in one pass at most: dcgan's for AT_ONCE


def make_images(generator, inputs, image_range):
    """The generator's images of inputs on its device, in evaluation mode: float32 (N, ...) in [0, 1] on the host.

    Errors: `RunError` for a generator whose images are not finite.
    """
    low, high = image_range
    with np.errstate(all="ignore"):  # a file may hold weights, or variances, of which no image can be made: seen below
        images = generator.ops.to_host(generator(inputs)).astype(np.float32)
        images = np.clip((images - low) / (high - low), 0, 1)
    if np.isnan(images).any():
        raise RunError("images: expected finite ones from the generator, got NaN; its weights are of no use, train again")
    return images


@dataclass(frozen=True)
class Sampler:
    """A generator with what it needs to draw: read from a weights file by `load_sampler`.

    classes: how many kinds of image it can be asked for by name, 0 if it draws what it likes. shares: of a generator that was
    trained with clusters, how often each is to be drawn; numbers that sum to 1. Errors: `RunError` for a class asked of a
    generator that does not know it.
    """

    generator: Sequential
    latent: Latent
    image_range: tuple[float, float]
    classes: int = 0
    shares: tuple[float, ...] | None = None

    @property
    def kinds(self):
        return self.classes or len(self.shares or ())

    def inputs(self, count, seed, digits=None):
        """What G makes so many images of: noise, and the kinds, (count, latent size + kinds) of its dtype on its device.

        digits: the class of each image, integers (count,); None draws them: clusters by their shares, classes equally often.
        seed: an int, a `SeedSequence`, or None for a new one each time. Equal seeds give equal inputs.
        """
        if digits is not None and not self.classes:
            raise RunError("digits: expected a generator that was trained with classes, this one draws what it likes")
        sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        noise = self._noise(count, sequence)
        return self._asked(noise, self._any_kinds(count, sequence) if digits is None else digits)

    def images(self, inputs):
        """Images of such inputs: float32 (N, 28, 28) in [0, 1]."""
        n = min(AT_ONCE, NUMBERS_AT_ONCE // pass_size(self.generator, inputs.shape[1:]))
        parts = [make_images(self.generator, inputs[i : i + n], self.image_range) for i in range(0, len(inputs), n)]
        return np.concatenate(parts).reshape(-1, 28, 28)

    def walks(self, rows, columns, seed, digits=None):
        """A walk between two points of noise in each row: images of shape (rows * columns, 28, 28).

        digits: the class of each row; None lets them follow one another, from 0. Clusters are drawn.
        """
        sequence = np.random.SeedSequence(seed)
        ends = self._noise(2 * rows, sequence)
        points = [self.latent.walk(ends[2 * i], ends[2 * i + 1], columns) for i in range(rows)]
        if digits is None:
            digits = np.arange(rows) % self.classes if self.classes else self._any_kinds(rows, sequence)
        return self.images(self._asked(np.concatenate(points), np.repeat(digits, columns)))

    def _any_kinds(self, count, sequence):
        return np.random.default_rng(sequence.spawn(1)[0]).choice(self.kinds or 1, count, p=self.shares)

    def _noise(self, count, sequence):
        """z, on the host."""
        ops = self.generator.ops
        return ops.to_host(self.latent.draw_(ops.empty((count, self.latent.size), self.generator.dtype), ops.stream(sequence)))

    def _asked(self, noise, digits):
        """Noise with a one at the place of each image's kind, on the device."""
        if not self.kinds:
            return self.generator.ops.asarray(noise)
        one_hot = np.equal.outer(digits, np.arange(self.kinds)).astype(noise.dtype)
        if not one_hot.any(axis=1).all():
            raise RunError(f"digits: expected numbers in 0..{self.kinds - 1}, got {digits}")
        return self.generator.ops.asarray(np.concatenate([noise, one_hot], axis=1))


def load_sampler(path, device="cpu"):
    """The generator of a weights file that a training wrote. `WeightsError` if the file does not hold one of digits."""
    networks, info = load_weights(path, device=device)
    if "G" not in networks:
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {', '.join(networks) or 'no network'}")
    try:
        latent = Latent(info["latent"]["size"], info["latent"]["distribution"])
        if latent.size > MOST_NOISE:
            raise WeightsError(f"expected a latent of at most {MOST_NOISE:,} numbers, got {latent.size:,}")
        low, high = map(float, info["image_range"])
        classes, shares = info.get("classes", 0), info.get("shares")
        if not isinstance(classes, int) or not 0 <= classes <= MOST_KINDS:
            raise WeightsError(f"expected a number of classes up to {MOST_KINDS}, got {classes!r}")
        if shares is not None:
            shares = tuple(map(float, shares))
            if classes or not len(shares) <= MOST_KINDS or not min(shares) >= 0 or not abs(sum(shares) - 1) < 1e-9:
                raise WeightsError(f"expected shares of up to {MOST_KINDS} clusters that sum to 1, and no classes beside them")
        asked = (latent.size + (classes or len(shares or ())),)
        made = math.prod(networks["G"].output_shape(asked))
        if not -WIDEST < low < high < WIDEST or made != 784:
            raise WeightsError(f"expected 784 pixels in a range of two rising, finite numbers, got {made} in [{low}, {high}]")
        if (size := pass_size(networks["G"], asked)) > MOST_NUMBERS:
            raise WeightsError(f"expected at most {MOST_NUMBERS:,} numbers in a pass for one image, got {size:,}")
    except (KeyError, OverflowError, TypeError, ValueError, ByhandError) as problem:
        raise WeightsError(f"{path}: it does not tell how to draw images with its generator ({problem})") from None
    return Sampler(networks["G"], latent, (low, high), classes, shares)
