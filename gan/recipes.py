"""The recipes, as data. To add one, add an entry to ALL.

The first five are in gan/own_recipes.py. Five others follow projects from which people learn GANs;
docs/recipes.md says what those projects state and what is our reading.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gan.data.image_shapes import POINTS, ImageShape
from gan.data.stacked import SHAPE
from gan.errors import RunError
from gan.latent import Latent
from gan.nearest import did_you_mean
from gan.networks import (
    batchnorm_relu,
    dcgan_discriminator,
    dcgan_generator,
    leaky,
    leaky_dropout,
    mlp,
    small_discriminator,
    small_generator,
    smoothed_discriminator,
    smoothed_generator,
    two_layer_discriminator,
    two_layer_generator,
)
from gan.objectives.objectives import NonSaturating, Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.own_recipes import (
    CONV_CLASSES_HOUR,
    CONV_CLUSTERS,
    CONV_CLUSTERS_HOUR,
    CONV_R1R2,
    CONV_R1R2_CLASSES,
    FEATURES,
    FORMER,
    MINUS_ONE_TO_ONE,
)
from gan.recipe import DIGITS, MakeNetwork, Recipe
from nn import InverseSqrtSchedule, Sigmoid, Tanh

STACKED_DIGITS = SHAPE  # of Stacked MNIST
ZERO_TO_ONE = (0.0, 1.0)


def smoothed_networks(image_shape: ImageShape) -> tuple[MakeNetwork, MakeNetwork]:
    """The pair of Dense layers for images of a shape."""
    return (
        partial(smoothed_generator, image_shape=image_shape),
        partial(smoothed_discriminator, image_shape=image_shape),
    )


# Noise, batch size and epochs are those of PacGAN's protocol for Stacked MNIST; see
# gan/data/stacked.py. Beside clusters, less noise is enough.
STACKED_DCGAN = Recipe(
    name="stacked-dcgan",
    origin="the plain baseline: dcgan with the protocol's noise and Adam",
    make_generator=partial(dcgan_generator, image_channels=STACKED_DIGITS[0]),
    make_discriminator=partial(dcgan_discriminator, image_channels=STACKED_DIGITS[0]),
    latent=Latent(100, "uniform"),
    image_range=MINUS_ONE_TO_ONE,
    image_shape=STACKED_DIGITS,
    learning_rate=2e-4,
    beta1=0.5,
    batch_size=64,
    epochs=50,
)

ALL = [
    CONV_CLUSTERS,
    CONV_CLUSTERS_HOUR,
    CONV_R1R2,
    CONV_R1R2_CLASSES,
    CONV_CLASSES_HOUR,
    Recipe(
        name="mlp-smoothed",
        origin="ours: Dense layers only",
        make_generator=partial(smoothed_generator, image_shape=DIGITS),
        make_discriminator=partial(smoothed_discriminator, image_shape=DIGITS),
        make_networks=smoothed_networks,
        latent=Latent(32, "normal"),
        image_range=MINUS_ONE_TO_ONE,
        objective=NonSaturating(real_target=0.9),
        learning_rate=1e-3,
        beta1=0.5,
        steps=24_000,
    ),
    Recipe(
        name="mlp-dropout",
        origin="after: PyTorch MLP GAN with dropout",
        make_generator=lambda n_in: mlp([n_in, 32, 64, 128, 784], leaky_dropout, [Tanh()]),
        make_discriminator=lambda n_out: mlp([784, 128, 64, 32, n_out], leaky_dropout),
        latent=Latent(100, "uniform"),
        image_range=MINUS_ONE_TO_ONE,
        learning_rate=0.002,
        epochs=100,
    ),
    Recipe(
        name="dcgan",
        origin="after: convolutional GAN",
        make_generator=dcgan_generator,
        make_discriminator=dcgan_discriminator,
        latent=Latent(100, "normal"),
        image_range=MINUS_ONE_TO_ONE,
        learning_rate=1e-4,
        epochs=20,
    ),
    Recipe(
        name="two-layer",
        origin="after: GAN from scratch in NumPy",
        make_generator=two_layer_generator,
        make_discriminator=two_layer_discriminator,
        latent=Latent(100, "normal"),
        image_range=ZERO_TO_ONE,
        learning_rate=2e-4,
        beta1=0.5,
        epochs=100,
    ),
    Recipe(
        name="mlp-batchnorm",
        origin="after: first GAN of block functions",
        make_generator=lambda n_in: mlp(
            [n_in, 128, 256, 512, 1024, 784], batchnorm_relu, [Sigmoid()]
        ),
        make_discriminator=lambda n_out: mlp([784, 512, 256, 128, n_out], leaky),
        latent=Latent(64, "normal"),
        image_range=ZERO_TO_ONE,
        objective=NonSaturating(weight=0.5),
        learning_rate=1e-5,
        batch_size=128,
        epochs=200,
    ),
    Recipe(
        name="mlp-leaky",
        origin="after: handwritten digit generation",
        make_generator=lambda n_in: mlp([n_in, 32, 64, 128, 784], leaky, [Tanh()]),
        make_discriminator=lambda n_out: mlp([784, 128, 64, 32, n_out], leaky),
        latent=Latent(100, "uniform"),
        image_range=MINUS_ONE_TO_ONE,
        objective=NonSaturating(real_target=0.9),
        learning_rate=0.002,
        epochs=50,
    ),
    replace(
        STACKED_DCGAN,
        name="stacked-ours",
        origin="ours; objective and penalty after Huang et al. 2024, whose ablation on Stacked "
        "MNIST keeps all modes with them",
        make_generator=partial(small_generator, image_shape=STACKED_DIGITS),
        make_discriminator=partial(small_discriminator, image_shape=STACKED_DIGITS),
        objective=Relativistic(),
        penalty=ZeroCentered(1.0, every=8),
        learning_rate=1e-3,
        beta2=0.99,
        ema_decay=0.999,
        fresh_noise=False,
    ),
    replace(
        STACKED_DCGAN,
        name="stacked-clusters",
        origin="ours: the default's objective and penalty, with clusters of the digits in place of "
        "classes, one for each channel",
        make_generator=partial(small_generator, image_shape=STACKED_DIGITS),
        make_discriminator=partial(
            small_discriminator, image_shape=STACKED_DIGITS, features=FEATURES
        ),
        latent=Latent(32, "normal"),
        penalty=ZeroCentered(0.2, every=8),
        learning_rate=1e-3,
        beta2=0.99,
        schedule=InverseSqrtSchedule(4_000),
        ema_decay=0.999,
        fresh_noise=False,
        clusters=100,
        clusters_per_image=3,
    ),
    STACKED_DCGAN,
    Recipe(
        name="points",
        origin="ours: Dense layers for points of a plane",
        make_generator=lambda n_in: mlp([n_in, 64, 64, 2], leaky, [Tanh()]),
        make_discriminator=lambda n_out: mlp([2, 64, 64, 64, n_out], leaky),
        latent=Latent(2, "normal"),
        image_range=MINUS_ONE_TO_ONE,
        image_shape=POINTS,
        penalty=ZeroCentered(0.02),
        learning_rate=2e-3,
        beta1=0.5,
        beta2=0.99,
        batch_size=256,
        ema_decay=0.99,
        fresh_noise=False,
        steps=6_000,
    ),
]
RECIPES = {recipe.name: recipe for recipe in ALL}
DEFAULT = CONV_CLUSTERS.name
STACKED_DEFAULT = "stacked-clusters"
POINTS_DEFAULT = "points"


def recipes_for(image_shape: ImageShape) -> dict[str, Recipe]:
    """The recipes whose own images have this shape, by name."""
    return {name: recipe for name, recipe in RECIPES.items() if recipe.image_shape == image_shape}


def get_recipe(name: str, image_shape: ImageShape | None = None) -> Recipe:
    """Return the recipe of that name.

    Parameters
    ----------
    name : a key of RECIPES
    image_shape : (C, H, W) of the images to train on; None for those of the recipe

    Raises
    ------
    RunError : there is no such recipe, and the message lists the known ones; or it cannot be for
        images of this shape
    """
    known = RECIPES | {each.name: each for each in FORMER.values()}
    if name not in known:
        hint = did_you_mean(str(name), RECIPES)
        raise RunError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}{hint}")
    recipe = known[name]
    return recipe if image_shape is None else recipe.for_images(image_shape)


def table(image_shape: ImageShape = DIGITS) -> str:
    """The recipes whose own images have this shape as text, one a line."""
    rows = [("recipe", "length", "batch", "learning rate", "parameters", "origin")]
    for recipe in recipes_for(image_shape).values():
        size = recipe.generator().n_parameters + recipe.discriminator().n_parameters
        rate = f"{recipe.learning_rate:g}"
        rows.append(
            (recipe.name, recipe.length, str(recipe.batch_size), rate, f"{size:,}", recipe.origin)
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    return "\n".join(lines)
