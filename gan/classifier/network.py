"""A convolutional network that names digits."""

import numpy as np

from gan.errors import RunError
from nn import (
    BatchNorm, ByhandError, Conv2d, Dense, Dropout, Flatten, MaxPool2d, ReLU, Sequential, SoftmaxCrossEntropy,
    WeightsError, load_weights, save_weights,
)  # fmt: skip
from nn.serialization.pass_size import pass_size

MOST_NUMBERS = 1_000_000  # that a file's network may work with for one image: five times those of `digit_classifier`
CLASSES = [str(digit) for digit in range(10)]
IMAGE_RANGE = (0.0, 1.0)  # what 0 and 255 become; the zeros around a convolution's input are background then
NAME = "classifier"  # the network's name in a weights file
AT_ONCE = 100  # images in one pass: enough to be fast, few enough for the processor's cache


def digit_classifier():
    """(N, 1, 28, 28) -> logits (N, 10); 505,290 parameters. `digit_classifier()[:-1]` makes 128 features of a digit.

    Most of the work is done on small images: 28 -> 24 and pooled to 12, 12 and pooled to 6, 6, 6 -> 4. Pooling comes before
    batch norm and ReLU, which then have a quarter of the elements to pass over.
    """
    return Sequential(
        Conv2d(1, 32, 5), MaxPool2d(2), BatchNorm(32), ReLU(),
        Conv2d(32, 64, 3, padding=1), MaxPool2d(2), BatchNorm(64), ReLU(),
        Conv2d(64, 128, 3, padding=1), BatchNorm(128), ReLU(),
        Conv2d(128, 128, 3), BatchNorm(128), ReLU(),
        Flatten(), Dense(128 * 4 * 4, 128), BatchNorm(128), ReLU(), Dropout(0.3),
        Dense(128, 10),
        input_shape=(1, 28, 28),
    )  # fmt: skip


def as_input(images, network):
    """uint8 (N, 1, 28, 28) on the host -> the network's dtype, in IMAGE_RANGE, on its device."""
    return network.ops.asarray(np.multiply(images, 1 / 255, dtype=network.dtype))


def logits(network, images):
    """What the network, in evaluation mode, makes of uint8 images (N, 1, 28, 28): (N, 10) on the host.

    Errors: `RunError` where that is not finite.
    """
    with np.errstate(all="ignore"):
        parts = [network(as_input(images[i : i + AT_ONCE], network)) for i in range(0, len(images), AT_ONCE)]
    found = np.concatenate([network.ops.to_host(part) for part in parts])
    if not np.isfinite(found).all():
        raise RunError("network: expected finite numbers from it, got others; its weights are of no use, train again")
    return found


def probabilities(network, images):
    """The network's probability of each class, for uint8 images (N, 1, 28, 28): (N, 10) on the host.

    The loss knows softmax, and gives dL/dz = (p - t) / N: with t at the first class, p is N dL/dz, and 1 more there.
    """
    z = network.ops.asarray(logits(network, images))
    first = network.ops.zeros((len(images),), np.int64)
    _, dz = SoftmaxCrossEntropy()(z, first, network.cache(tracks_statistics=False))
    p = network.ops.to_host(dz) * len(images)
    p[:, 0] += 1
    return p


def confusion_matrix(network, images, labels):
    """counts[t, p]: how many images of class t were named p; int64 (10, 10)."""
    named = logits(network, images).argmax(axis=1)
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (labels, named), 1)
    return counts


def accuracy(counts):
    """The share of images on a confusion matrix's diagonal."""
    return float(np.trace(counts) / counts.sum())


def save_classifier(path, network, about):
    """Write the network with its classes, its image range, and what else a dict tells of it."""
    save_weights(path, {NAME: network}, {"classes": CLASSES, "image_range": IMAGE_RANGE, **about})


def load_classifier(path, device="cpu"):
    """The network that `save_classifier` wrote. `WeightsError` for a file that cannot be read or holds none."""
    networks, info = load_weights(path, device=device)
    if NAME not in networks:
        raise WeightsError(f"{path}: expected a network {NAME!r} in it, found {', '.join(networks) or 'none'}")
    network = networks[NAME]
    try:
        fits = network.output_shape((1, 28, 28)) == (len(CLASSES),) and pass_size(network, (1, 28, 28)) <= MOST_NUMBERS
    except ByhandError:
        fits = False
    if not fits or info.get("classes") != CLASSES or info.get("image_range") != list(IMAGE_RANGE):
        raise WeightsError(f"{path}: expected a network that names digits of (1, 28, 28) in {IMAGE_RANGE}, got another")
    return network
