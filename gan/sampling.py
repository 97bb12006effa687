"""New images from a trained generator."""

from dataclasses import dataclass

import numpy as np

from gan.latent import Latent
from nn import ByhandError, Sequential, WeightsError, load_weights

AT_ONCE = 1000  # images in one pass: enough to be fast, few enough to need little memory


def make_images(generator, z, image_range):
    """The generator's images of noise z on its device, in evaluation mode: float32 (N, ...) in [0, 1] on the host."""
    low, high = image_range
    images = generator.ops.to_host(generator(z)).astype(np.float32)
    return np.clip((images - low) / (high - low), 0, 1)


@dataclass(frozen=True)
class Sampler:
    """A generator with what it needs to draw: read from a weights file by `load_sampler`."""

    generator: Sequential
    latent: Latent
    image_range: tuple[float, float]

    def noise(self, count, seed):
        """Noise for so many images, (count, latent size) of the network's dtype on the device; equal seeds give equal noise."""
        ops = self.generator.ops
        z = ops.empty((count, self.latent.size), self.generator.dtype)
        return self.latent.draw_(z, ops.stream(np.random.SeedSequence(seed)))

    def images(self, z):
        """Images of noise: float32 (N, 28, 28) in [0, 1]."""
        parts = [make_images(self.generator, z[i : i + AT_ONCE], self.image_range) for i in range(0, len(z), AT_ONCE)]
        return np.concatenate(parts).reshape(-1, 28, 28)

    def walks(self, rows, columns, seed):
        """A walk between two points of noise in each row: images of shape (rows * columns, 28, 28)."""
        ops = self.generator.ops
        ends = ops.to_host(self.noise(2 * rows, seed))
        points = [self.latent.walk(ends[2 * i], ends[2 * i + 1], columns) for i in range(rows)]
        return self.images(ops.asarray(np.concatenate(points)))


def load_sampler(path, device="cpu"):
    """The generator of a weights file that a training wrote. `WeightsError` if the file does not hold one of digits."""
    networks, info = load_weights(path, device=device)
    if "G" not in networks:
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {', '.join(networks) or 'no network'}")
    try:
        latent = Latent(info["latent"]["size"], info["latent"]["distribution"])
        low, high = map(float, info["image_range"])
        made = int(np.prod(networks["G"].output_shape((latent.size,))))
        if not -np.inf < low < high < np.inf or made != 784:
            raise WeightsError(f"expected 784 pixels in a range of two rising, finite numbers, got {made} in [{low}, {high}]")
    except (KeyError, TypeError, ValueError, ByhandError) as problem:
        raise WeightsError(f"{path}: it does not tell how to draw images with its generator ({problem})") from None
    return Sampler(networks["G"], latent, (low, high))
