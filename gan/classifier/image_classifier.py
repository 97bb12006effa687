"""A classifier of any images, whose features judge generated ones."""

from __future__ import annotations

import numpy as np

from gan.classifier.training import ClassifierTrainer
from gan.data.image_shapes import ImageShape
from nn import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
)
from nn.ops.base import Ops

FEATURES = 128  # as many as the digit classifier has
WIDTHS = (32, 64, 128)  # channels of the first stages; later ones have as many as the last
SMALLEST = 8  # pixels: a stage halves sides that are longer
BATCH_SIZE = 64
STEPS = 3_000  # of training, about: a few minutes on two cores
MAX_EPOCHS = 40  # more of them only memorize a small set


def image_classifier(image_shape: ImageShape, n_classes: int) -> Sequential:
    """(N, C, H, W) -> logits (N, n_classes); all layers but the last give FEATURES features.

    Each stage is a convolution, a pool that halves sides above SMALLEST pixels, batch norm and
    ReLU: 32 -> 16 -> 8 -> 8 pixels.
    """
    channels, height, width = image_shape
    layers: list[Layer] = []
    stage = 0
    while stage < len(WIDTHS) or max(height, width) > SMALLEST:
        n_out = WIDTHS[min(stage, len(WIDTHS) - 1)]
        layers.append(Conv2d(channels, n_out, 3, padding=1))
        if max(height, width) > SMALLEST:
            kernel = (min(2, height), min(2, width))
            layers.append(MaxPool2d(kernel))
            height, width = height // kernel[0], width // kernel[1]
        layers += [BatchNorm(n_out), ReLU()]
        channels, stage = n_out, stage + 1
    return Sequential(
        *layers,
        *(Flatten(), Dense(channels * height * width, FEATURES), BatchNorm(FEATURES), ReLU()),
        *(Dropout(0.3), Dense(FEATURES, n_classes)),
        input_shape=image_shape,
    )


def classifier_trainer(
    images: np.ndarray, labels: np.ndarray, n_classes: int, device: str | Ops = "cpu"
) -> ClassifierTrainer:
    """A trainer of an `image_classifier`, of about STEPS steps.

    Parameters
    ----------
    images
        uint8 (N, C, H, W).
    labels
        Integers (N,) in 0..n_classes-1.
    n_classes
        How many classes there are.
    device
        "cpu", "cuda" and so on, or a backend.
    """
    batch_size = min(BATCH_SIZE, len(images))
    epochs = round(STEPS / (len(images) // batch_size))
    shape: ImageShape = images.shape[1:]
    return ClassifierTrainer(
        images,
        labels,
        build=lambda: image_classifier(shape, n_classes),
        epochs=min(max(epochs, 1), MAX_EPOCHS),
        batch_size=batch_size,
        device=device,
    )
