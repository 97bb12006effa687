"""Recipes: networks and settings that train together. To add one, add an entry to ALL.

Five of them follow projects from which people learn GANs. docs/recipes.md says what those projects
state and what is our reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from gan.errors import RunError
from gan.latent import Latent
from gan.nearest import did_you_mean
from gan.networks import (
    batchnorm_leaky,
    batchnorm_relu,
    dcgan_discriminator,
    dcgan_generator,
    leaky,
    leaky_dropout,
    mlp,
    small_discriminator,
    small_generator,
)
from gan.objectives.objectives import NonSaturating, Objective, Relativistic
from gan.objectives.penalties import OneCentered, ZeroCentered
from nn import Dense, LeakyReLU, Normal, ReLU, Sequential, Sigmoid, Tanh

MINUS_ONE_TO_ONE = (-1.0, 1.0)
ZERO_TO_ONE = (0.0, 1.0)
DIGITS = (1, 28, 28)  # image shapes
STACKED_DIGITS = (3, 28, 28)


@dataclass(frozen=True)
class Recipe:
    """Everything a run needs besides images; `dataclasses.replace` changes a setting.

    Parameters
    ----------
    name : what `get_recipe` and `--recipe` call it
    origin : where it comes from, for the table
    make_generator : returns an unbuilt generator, given the size of its input (`n_in`)
    make_discriminator : returns an unbuilt discriminator, given the number of its outputs (`n_out`)
    latent : the noise
    image_range : (low, high) of the generated images, and of the training images as D sees them
    image_shape : (C, H, W) of the images
    objective : the losses of D and G
    penalty : on the slope of D, or None
    learning_rate, beta1, beta2 : of both Adam optimizers
    ema_decay : decay per step of G's moving average, which is saved and sampled; None for none
    fresh_noise : whether G's update generates new images instead of reusing those of D's update
    pack : number of images that D scores at once, stacked as channels (PacGAN)
    classes : number of labelled classes, if the networks are conditional on them, else 0
    clusters : the same without labels: number of clusters that k-means finds, else 0
    batch_size : images per step
    epochs, steps : length of the run; exactly one is given
    """

    name: str
    origin: str
    make_generator: Callable[[int], Sequential]
    make_discriminator: Callable[[int], Sequential]
    latent: Latent
    image_range: tuple[float, float]
    image_shape: tuple[int, int, int] = DIGITS
    objective: Objective = NonSaturating()
    penalty: ZeroCentered | OneCentered | None = None
    learning_rate: float = 2e-4
    beta1: float = 0.9
    beta2: float = 0.999
    ema_decay: float | None = None
    fresh_noise: bool = True
    pack: int = 1
    classes: int = 0
    clusters: int = 0
    batch_size: int = 64
    epochs: int | None = None
    steps: int | None = None

    @property
    def num_classes(self) -> int:
        """The number of labelled classes or of clusters; 0 if unconditional."""
        return self.classes or self.clusters

    @property
    def n_in(self) -> int:
        """The size of G's input: the noise and a one-hot class."""
        return self.latent.size + self.num_classes

    @property
    def n_out(self) -> int:
        """The number of D's outputs: one per class."""
        return self.num_classes or 1

    @property
    def length(self) -> str:
        return f"{self.epochs} epochs" if self.epochs else f"{self.steps:,} steps"

    def generator(self) -> Sequential:
        """A new, unbuilt generator."""
        return self.make_generator(self.n_in)

    def discriminator(self) -> Sequential:
        """A new, unbuilt discriminator."""
        return self.make_discriminator(self.n_out)


def two_layer_generator(n_in: int) -> Sequential:
    init = Normal(0.02)
    return Sequential(
        Dense(n_in, 512, init=init), LeakyReLU(0.01), Dense(512, 784, init=init), Sigmoid()
    )


def two_layer_discriminator(n_out: int) -> Sequential:
    init = Normal(0.02)
    return Sequential(Dense(784, 512, init=init), ReLU(), Dense(512, n_out, init=init), Sigmoid())


CONV_R1R2 = Recipe(
    name="conv-r1r2",
    origin="ours: a small convolutional pair",
    make_generator=small_generator,
    make_discriminator=small_discriminator,
    latent=Latent(64, "normal"),
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
    latent=Latent(16, "normal"),
    penalty=ZeroCentered(0.2, every=8),
    clusters=200,
    steps=12_000,
)

# Both keep to PacGAN's protocol for Stacked MNIST (gan/data/stacked.py): noise, batches, epochs.
STACKED_DCGAN = Recipe(
    name="stacked-dcgan",
    origin="the plain baseline: dcgan with the protocol's noise and Adam",
    make_generator=partial(dcgan_generator, image_channels=3),
    make_discriminator=partial(dcgan_discriminator, image_channels=3),
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
    replace(
        CONV_CLUSTERS,
        name="conv-clusters-hour",
        origin="ours: the default for longer",
        ema_decay=0.9995,
        steps=100_000,
    ),
    CONV_R1R2,
    replace(
        CONV_R1R2,
        name="conv-r1r2-classes",
        origin="ours: conv-r1r2 conditional on the digit",
        classes=10,
        steps=26_000,
    ),
    Recipe(
        name="mlp-smoothed",
        origin="ours: Dense layers only",
        make_generator=lambda n_in: mlp([n_in, 256, 256, 784], batchnorm_leaky, [Tanh()]),
        make_discriminator=lambda n_out: mlp([784, 512, 256, n_out], leaky_dropout),
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
        make_generator=partial(small_generator, image_channels=3),
        make_discriminator=partial(small_discriminator, image_channels=3),
        objective=Relativistic(),
        penalty=ZeroCentered(1.0, every=8),
        learning_rate=1e-3,
        beta2=0.99,
        ema_decay=0.999,
        fresh_noise=False,
    ),
    STACKED_DCGAN,
]
RECIPES = {recipe.name: recipe for recipe in ALL}
DEFAULT = CONV_CLUSTERS.name


def recipes_for(image_shape: tuple[int, int, int]) -> dict[str, Recipe]:
    """The recipes for images of this shape, by name."""
    return {name: recipe for name, recipe in RECIPES.items() if recipe.image_shape == image_shape}


def get_recipe(name: str, image_shape: tuple[int, int, int] | None = None) -> Recipe:
    """Return the recipe of that name.

    Parameters
    ----------
    name : a key of RECIPES
    image_shape : (C, H, W) that the recipe must be for; None for any

    Raises
    ------
    RunError : there is no such recipe; the message lists those that there are
    """
    known = RECIPES if image_shape is None else recipes_for(image_shape)
    if name not in known:
        images = f", which is for images of {RECIPES[name].image_shape}" if name in RECIPES else ""
        hint = did_you_mean(str(name), known)
        raise RunError(f"recipe: expected one of {', '.join(known)}, got {name!r}{images or hint}")
    return known[name]


def table(image_shape: tuple[int, int, int] = DIGITS) -> str:
    """The recipes for images of this shape as text, one per line."""
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
