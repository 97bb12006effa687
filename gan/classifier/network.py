"""A convolutional network that classifies digits: its layers, its use, and its weights file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan.errors import RunError
from nn import (
    BatchNorm,
    ByhandError,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    WeightsError,
    load_weights,
    save_weights,
)
from nn.ops.base import Array, Ops
from nn.serialization.pass_size import pass_size

MAX_NUMBERS = 1_000_000  # in a pass for one image: five times digit_classifier's
CLASSES = [str(digit) for digit in range(10)]
IMAGE_RANGE = (0.0, 1.0)  # of 0 and 255, so that a convolution pads with background
NAME = "classifier"  # the network's name in a weights file
AT_ONCE = 100  # images in one pass: enough to be fast, few enough for the processor's cache


def digit_classifier() -> Sequential:
    """(N, 1, 28, 28) -> logits (N, 10); all layers but the last give 128 features.

    It has 505,290 parameters. Most of the work is done on small images: 28 -> 24 and pooled
    to 12, 12 and pooled to 6, 6, 6 -> 4. Pooling comes before batch norm and ReLU, which then
    process a quarter of the elements.
    """
    return Sequential(
        *(Conv2d(1, 32, 5), MaxPool2d(2), BatchNorm(32), ReLU()),
        *(Conv2d(32, 64, 3, padding=1), MaxPool2d(2), BatchNorm(64), ReLU()),
        *(Conv2d(64, 128, 3, padding=1), BatchNorm(128), ReLU()),
        *(Conv2d(128, 128, 3), BatchNorm(128), ReLU()),
        *(Flatten(), Dense(128 * 4 * 4, 128), BatchNorm(128), ReLU(), Dropout(0.3)),
        Dense(128, 10),
        input_shape=(1, 28, 28),
    )


def as_input(images: np.ndarray, network: Sequential) -> Array:
    """uint8 (N, C, H, W) on the host -> the network's dtype, in IMAGE_RANGE, on its device."""
    return network.ops.asarray(np.multiply(images, 1 / 255, dtype=network.dtype))


def logits(network: Sequential, images: np.ndarray) -> np.ndarray:
    """Classify images in evaluation mode.

    Parameters
    ----------
    network
        A classifier.
    images
        uint8 (N, C, H, W) on the host.

    Returns
    -------
    ndarray
        Logits (N, K) on the host.

    Raises
    ------
    RunError
        If there are no images, or a logit is not finite.
    """
    if not len(images):
        raise RunError("images: expected at least one, got none")
    with np.errstate(all="ignore"):
        parts = [
            network(as_input(images[i : i + AT_ONCE], network))
            for i in range(0, len(images), AT_ONCE)
        ]
    z = np.concatenate([network.ops.to_host(part) for part in parts])
    if not np.isfinite(z).all():
        raise RunError(
            "network: expected finite logits, got NaN or infinity; its weights are useless, "
            "train it again"
        )
    return z


def probabilities(network: Sequential, images: np.ndarray) -> np.ndarray:
    """The probability of each class, (N, K) on the host, for uint8 images (N, C, H, W).

    The loss computes softmax for its gradient dL/dz = (p - t) / N. With t at the first class, p
    is N dL/dz, plus 1 in the first column.
    """
    z = network.ops.asarray(logits(network, images))
    first = network.ops.zeros((len(images),), np.int64)
    _, dz = SoftmaxCrossEntropy()(z, first, network.cache(tracks_statistics=False))
    p = network.ops.to_host(dz) * len(images)
    p[:, 0] += 1
    return p


def save_classifier(
    path: str | os.PathLike[str], network: Sequential, about: Mapping[str, Any]
) -> None:
    """Write the network with its classes, its image range, and the entries of `about`."""
    save_weights(path, {NAME: network}, {"classes": CLASSES, "image_range": IMAGE_RANGE, **about})


def load_classifier(path: str | os.PathLike[str], device: str | Ops = "cpu") -> Sequential:
    """Load a network that `save_classifier` wrote.

    Parameters
    ----------
    path
        The weights file.
    device
        "cpu", "cuda" and so on, or a backend.

    Raises
    ------
    WeightsError
        If the file cannot be read, or holds no digit classifier.
    """
    networks, info = load_weights(path, device=device)
    if NAME not in networks:
        raise WeightsError(
            f"{path}: expected a network {NAME!r}, found {', '.join(networks) or 'none'}; name "
            "the file of a classifier"
        )
    network = networks[NAME]
    image = (1, 28, 28)
    try:
        fits = network.output_shape(image) == (len(CLASSES),)
        fits = fits and pass_size(network, image) <= MAX_NUMBERS
    except ByhandError:
        fits = False
    if not fits or info.get("classes") != CLASSES or info.get("image_range") != list(IMAGE_RANGE):
        raise WeightsError(
            f"{path}: expected a network that classifies digits {image} in {IMAGE_RANGE}, got "
            "another; name the file of a digit classifier"
        )
    return network
