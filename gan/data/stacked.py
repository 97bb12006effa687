"""Stacked MNIST: three random digits as the colours of one image, a thousand kinds of it that a generator may leave out.

The setting is PacGAN's (Lin et al. 2018, section 4.2, after VEEGAN, Srivastava et al. 2017). Digits come from the 60,000
training images, where PacGAN's code also takes the test images.
"""

from numbers import Integral

import numpy as np

from gan.data.batches import Batches
from gan.latent import Latent
from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import MINUS_ONE_TO_ONE, Recipe, batchnorm_leaky, dcgan_discriminator, dcgan_generator, leaky
from nn import Conv2d, ConvTranspose2d, Dense, Flatten, GlorotNormal, Reshape, RunError, Sequential, Tanh

CHANNELS = 3
N_TRIPLES = 128_000
PROTOCOL = {"latent": Latent(100, "uniform"), "image_range": MINUS_ONE_TO_ONE, "batch_size": 64, "beta1": 0.5, "epochs": 50}


def random_triples(n_digits, n, seed):
    """Which digits lie on one another: int64 (n, 3), each any of n_digits with equal probability."""
    return np.random.default_rng(seed).integers(0, n_digits, (n, CHANNELS))


class StackedBatches(Batches):
    """Triples of digits as images of three channels, in whole batches, in a new random order each epoch.

    Only the digits lie on the device; a batch is gathered from them a channel at a time. For a trainer:
    ``Trainer(recipe, digits, batches=partial(StackedBatches, triples=triples))``. images: uint8 digits (N, ...). triples:
    integers (M, 3) in 0..N-1. Errors: `RunError` for images, triples or a batch size that do not fit, and for classes.
    """

    def __init__(self, images, batch_size, image_range, ops, stream, *, triples):
        super().__init__(images, 1, image_range, ops, stream)  # a digit, and what its bytes become
        check_triples(triples, len(images))
        if not isinstance(batch_size, Integral) or not 1 <= batch_size <= len(triples):
            raise RunError(f"batch size: expected 1 to {len(triples):,}, the number of triples, got {batch_size}")
        self.batch_size, self.per_epoch = batch_size, len(triples) // batch_size
        self.digit_pixels, self.n_pixels = self.n_pixels, CHANNELS * self.n_pixels
        # One vector of digits for each channel, and streams in one state: what shuffles them shuffles them alike.
        self._channels = [ops.asarray(triples[:, c].astype(np.int64)) for c in range(CHANNELS)]
        self._streams = [ops.stream(np.random.SeedSequence(0)) for _ in range(CHANNELS)]
        for twin in self._streams:
            twin.state = stream.state

    def check_shape(self, made):
        """Raise `RunError` unless each digit fits one of three channels of what a generator makes."""
        if made[0] % CHANNELS:
            raise RunError(f"stacked digits: expected a generator of {CHANNELS} channels, got one that makes shape {made}")
        super().check_shape((made[0] // CHANNELS, *made[1:]))

    def label(self, labels, classes):
        raise RunError(f"stacked digits: expected a recipe without classes, got {classes} of them")

    def gather(self, step, *, out, one_hot=None):
        """Write the batch of that step, counted from 0, into out: (batch_size, 3 * pixels) of the network's dtype."""
        place = step % self.per_epoch
        for c, (index, stream) in enumerate(zip(self._channels, self._streams)):
            if place == 0:
                stream.shuffle_(index)
            digits = index[place * self.batch_size : (place + 1) * self.batch_size]
            channel = out[:, c * self.digit_pixels : (c + 1) * self.digit_pixels]
            self._ops.gather_rows(self._images, digits, self._scale, self._shift, out=channel)

    def orders(self):
        return self._channels, self._streams


def check_triples(triples, n_digits):
    if not isinstance(triples, np.ndarray) or triples.dtype.kind not in "iu" or triples.shape[1:] != (CHANNELS,):
        got = f"{triples.dtype} {triples.shape}" if isinstance(triples, np.ndarray) else type(triples).__name__
        raise RunError(f"triples: expected integers of shape (M, {CHANNELS}), got {got}")
    if len(triples) and not 0 <= triples.min() <= triples.max() < n_digits:
        raise RunError(f"triples: expected digits in 0..{n_digits - 1}, got {triples.min()}..{triples.max()}")


def plain_generator():
    """The recipe `dcgan`'s generator, with three channels to its last layer."""
    *body, last, tanh = dcgan_generator(PROTOCOL["latent"].size)
    return Sequential(*body, ConvTranspose2d(last.c_in, CHANNELS, 4, stride=2, padding=1, init=GlorotNormal()), tanh)


def plain_discriminator():
    """The recipe `dcgan`'s discriminator, with three channels to its first layer."""
    first, *body = dcgan_discriminator()
    return Sequential(
        Conv2d(CHANNELS, first.c_out, 4, stride=2, padding=1, init=GlorotNormal()), *body, input_shape=(CHANNELS, 28, 28)
    )


def small_generator(a=64, b=32):
    """z -> 7x7 -> 14x14 -> 28x28."""
    return Sequential(
        *(Dense(PROTOCOL["latent"].size, a * 7 * 7), Reshape((a, 7, 7)), *batchnorm_leaky(a)),
        *(ConvTranspose2d(a, b, 4, stride=2, padding=1), *batchnorm_leaky(b)),
        *(ConvTranspose2d(b, CHANNELS, 4, stride=2, padding=1), Tanh()),
    )


def small_discriminator(a=32, b=64):
    """28x28 -> 14x14 -> 7x7 -> a logit; no batch norm, which a penalty on its slope does not bear."""
    return Sequential(
        *(Conv2d(CHANNELS, a, 4, stride=2, padding=1), *leaky(a)),
        *(Conv2d(a, b, 4, stride=2, padding=1), *leaky(b)),
        *(Flatten(), Dense(b * 7 * 7, 1)),
        input_shape=(CHANNELS, 28, 28),
    )


ALL = [
    Recipe(
        name="stacked-ours",
        origin="ours; objective and penalty after Huang et al. 2024, whose ablation on Stacked MNIST keeps all modes with them",
        generator=small_generator,
        discriminator=small_discriminator,
        objective=Relativistic(),
        penalty=ZeroCentered(1.0, every=8),
        learning_rate=1e-3,
        beta2=0.99,
        average=0.999,
        fresh_noise=False,
        **PROTOCOL,
    ),
    Recipe(
        name="stacked-dcgan",
        origin="the plain baseline: the recipe dcgan with the protocol's noise and Adam",
        generator=plain_generator,
        discriminator=plain_discriminator,
        learning_rate=2e-4,
        **PROTOCOL,
    ),
]
RECIPES = {recipe.name: recipe for recipe in ALL}
