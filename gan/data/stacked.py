"""Stacked MNIST: three random digits as the channels of one image, a data set of 1,000 modes.

The setting is PacGAN's (Lin et al. 2018, section 4.2, after VEEGAN, Srivastava et al. 2017).
Digits come from the 60,000 training images; PacGAN's code also uses the test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.data.batches import Batches, check_batch_size
from gan.errors import RunError
from nn.ops.base import Array

NAME = "stacked-mnist"
CHANNELS = 3
SHAPE = (CHANNELS, 28, 28)
N_TRIPLES = 128_000


def random_triples(n_digits: int, n: int, seed: Any) -> np.ndarray:
    """The digits of each image: int64 (n, 3), uniform in 0..n_digits-1."""
    return np.random.default_rng(seed).integers(0, n_digits, (n, CHANNELS))


@dataclass(frozen=True)
class StackedDigits:
    """Training images for a `Trainer`: ``Trainer(recipe, StackedDigits(digits, triples))``.

    Parameters
    ----------
    digits : uint8 (N, ...), one channel each
    triples : integers (M, 3) in 0..N-1, the digits of each image
    """

    digits: np.ndarray
    triples: np.ndarray

    def batches(
        self, batch_size: int, image_range: tuple[float, float], ops: Any, stream: Any
    ) -> StackedBatches:
        return StackedBatches(self, batch_size, image_range, ops, stream)


class StackedBatches(Batches):
    """Whole batches of stacked digits in a new random order each epoch.

    Only the digits are stored on the device; a batch is gathered channel by channel. The parameters
    are those of `Batches`, but `images` is a `StackedDigits`.

    Raises
    ------
    RunError : the digits, the triples or the batch size are invalid
    """

    may_feed = False  # the digits are 47 MB at most

    def __init__(
        self,
        images: StackedDigits,
        batch_size: int,
        image_range: tuple[float, float],
        ops: Any,
        stream: Any,
    ) -> None:
        super().__init__(images.digits, 1, image_range, ops, stream)
        triples = images.triples
        check_triples(triples, len(images.digits))
        self.batch_size = check_batch_size(batch_size, len(triples), "triples")
        self.per_epoch = len(triples) // self.batch_size
        self.digit_pixels, self.n_pixels = self.n_pixels, CHANNELS * self.n_pixels
        # One index vector per channel, and streams in equal states, so that all have one order.
        self._channels = [ops.asarray(triples[:, c].astype(np.int64)) for c in range(CHANNELS)]
        self._streams = [ops.stream(np.random.SeedSequence(0)) for _ in range(CHANNELS)]
        for twin in self._streams:
            twin.state = stream.state

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise `RunError` unless each digit fits one of a generator's three channels."""
        if shape[0] % CHANNELS:
            raise RunError(
                f"stacked digits: expected a generator of {CHANNELS} channels, got one whose "
                f"images have shape {shape}"
            )
        super().check_shape((shape[0] // CHANNELS, *shape[1:]))

    def set_labels(self, labels: np.ndarray | None, num_classes: int, per_image: int = 1) -> None:
        """As in `Batches`; the labels are those of the digits, (N,)."""
        if per_image != CHANNELS:
            raise RunError(
                "stacked digits: expected an unconditional recipe, or one with a cluster for each "
                f"of {CHANNELS} channels, got {num_classes} classes for whole images"
            )
        super().set_labels(labels, num_classes)

    def gather(self, step: int, *, out: Array, class_onehot: Array | None = None) -> None:
        """Write the batch of a step, counted from 0, into `out`, (batch_size, 3 * pixels).

        The one-hot clusters of the three channels, if asked for, are side by side.
        """
        place = step % self.per_epoch
        for c, (order, stream) in enumerate(zip(self._channels, self._streams)):
            if place == 0:
                stream.shuffle_(order)
            index = order[place * self.batch_size : (place + 1) * self.batch_size][self.share]
            channel = out[:, c * self.digit_pixels : (c + 1) * self.digit_pixels]
            self.ops.gather_rows(self.images, index, self.scale, self.shift, out=channel)
            if class_onehot is not None:
                k = class_onehot.shape[1] // CHANNELS
                part = class_onehot[:, c * k : (c + 1) * k]
                self.ops.gather_rows(self._class_onehot, index, 1.0, 0.0, out=part)

    def orders(self) -> tuple[list[Array], list[Any]]:
        return self._channels, self._streams


def check_triples(triples: Any, n_digits: int) -> None:
    """Raise `RunError` unless they are integers (M, 3) in 0..n_digits-1."""
    is_array = isinstance(triples, np.ndarray)
    if not is_array or triples.dtype.kind not in "iu" or triples.shape[1:] != (CHANNELS,):
        got = f"{triples.dtype} {triples.shape}" if is_array else type(triples).__name__
        raise RunError(f"triples: expected integers of shape (M, {CHANNELS}), got {got}")
    if len(triples) and not 0 <= triples.min() <= triples.max() < n_digits:
        raise RunError(
            f"triples: expected digits in 0..{n_digits - 1}, got {triples.min()}..{triples.max()}"
        )
