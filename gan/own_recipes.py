"""Our recipes for digits, or images of any shape: a small convolutional pair.

`FORMER` holds those of earlier versions that have changed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from gan.data.image_shapes import ImageShape
from gan.latent import Latent
from gan.networks import (
    SMALL_WIDTH,
    small_discriminator,
    small_generator,
    small_widths,
)
from gan.objectives.penalties import ZeroCentered
from gan.recipe import DIGITS, MakeNetwork, Recipe
from nn import InverseSqrtSchedule

COLOUR_WIDTH = 48  # channels next to colour images in the small networks
FEATURES = 64  # that the discriminator's outputs for many clusters share
MINUS_ONE_TO_ONE = (-1.0, 1.0)


def small_networks(
    image_shape: ImageShape, features: int | None = None
) -> tuple[MakeNetwork, MakeNetwork]:
    """The small convolutional pair for images of a shape; for `features`, see the discriminator."""
    small_widths(image_shape)  # raises here, not when the networks are made
    narrowest = COLOUR_WIDTH if image_shape[0] > 1 else SMALL_WIDTH
    return (
        partial(small_generator, image_shape=image_shape, narrowest=narrowest),
        partial(
            small_discriminator, image_shape=image_shape, narrowest=narrowest, features=features
        ),
    )


def clustered_networks(image_shape: ImageShape) -> tuple[MakeNetwork, MakeNetwork]:
    """The same; D's outputs share features, next to grey images."""
    return small_networks(image_shape, FEATURES if image_shape[0] == 1 else None)


# With a constant rate, a generator of colour images gives up variety after some 20,000 steps.
COLOUR: dict[str, Any] = {
    "penalty": ZeroCentered(0.2, every=8),
    "schedule": InverseSqrtSchedule(4_000),
}

CONV_R1R2 = Recipe(
    name="conv-r1r2",
    origin="ours: a small convolutional pair",
    make_generator=partial(small_generator, image_shape=DIGITS),
    make_discriminator=partial(small_discriminator, image_shape=DIGITS),
    make_networks=small_networks,
    latent=Latent(64, "normal"),
    colour=COLOUR,
    image_range=MINUS_ONE_TO_ONE,
    penalty=ZeroCentered(1.0, every=8),
    learning_rate=1e-3,
    beta1=0.5,
    beta2=0.99,
    batch_size=16,
    ema_decay=0.999,
    fresh_noise=False,
    steps=16_000,
)

CONV_CLUSTERS = replace(
    CONV_R1R2,
    name="conv-clusters",
    origin="the default: ours, conv-r1r2 with clusters of the images in place of classes",
    make_discriminator=partial(small_discriminator, image_shape=DIGITS, features=FEATURES),
    make_networks=clustered_networks,
    latent=Latent(32, "normal"),
    colour=COLOUR | {"latent": Latent(64, "normal"), "clusters": 200},
    penalty=ZeroCentered(0.2, every=8),
    schedule=InverseSqrtSchedule(4_000),
    clusters=600,
    steps=12_000,
)

CONV_CLUSTERS_HOUR = replace(
    CONV_CLUSTERS,
    name="conv-clusters-hour",
    origin="ours: the default with a stronger penalty, for longer",
    penalty=ZeroCentered(0.5, every=8),
    beta2=0.995,
    ema_decay=0.9998,
    steps=160_000,
)

CONV_R1R2_CLASSES = replace(
    CONV_R1R2,
    name="conv-r1r2-classes",
    origin="ours: conv-r1r2 conditional on the digit",
    classes=10,
    steps=26_000,
)

CONV_CLASSES_HOUR = replace(
    CONV_CLUSTERS_HOUR,
    name="conv-classes-hour",
    origin="ours: the default for longer, conditional on the digit, with clusters of each",
    colour=COLOUR | {"latent": Latent(64, "normal"), "clusters": 20},
    classes=10,
    clusters=60,
    steps=120_000,
)

# Earlier runs resume with these. Checkpoints up to format 3 call them by the names of today's.
FORMER_CLUSTERS = replace(
    CONV_R1R2,
    name="conv-clusters-0.1",
    origin="the default of version 0.1",
    latent=Latent(16, "normal"),
    colour=COLOUR | {"latent": Latent(64, "normal")},
    penalty=ZeroCentered(0.2, every=8),
    clusters=200,
    steps=12_000,
)
FORMER = {
    "conv-clusters": FORMER_CLUSTERS,
    "conv-clusters-hour": replace(
        FORMER_CLUSTERS,
        name="conv-clusters-hour-0.1",
        origin="the default of version 0.1 for longer",
        ema_decay=0.9995,
        steps=100_000,
    ),
}
