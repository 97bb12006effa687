"""Recipes: networks and settings that train together. Adding one is adding one entry to RECIPES.

Five of them follow projects that people learn GANs from, and keep their settings to the letter; they are the peers that
the default is measured against.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gan.latent import Latent
from gan.objectives.objectives import NonSaturating, Objective
from gan.objectives.penalties import OneCentered, ZeroCentered
from nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    GlorotNormal,
    LeakyReLU,
    Normal,
    ReLU,
    Reshape,
    RunError,
    Sequential,
    Sigmoid,
    Tanh,
)

MINUS_ONE_TO_ONE = (-1.0, 1.0)
ZERO_TO_ONE = (0.0, 1.0)


@dataclass(frozen=True)
class Recipe:
    """All that a training needs besides images. One of `epochs` and `steps` says how long it is."""

    name: str
    origin: str
    generator: Callable[[], Sequential]
    discriminator: Callable[[], Sequential]
    latent: Latent
    image_range: tuple[float, float]  # of G's output, and of the training images as D sees them
    objective: Objective = NonSaturating()
    penalty: ZeroCentered | OneCentered | None = None  # on D's slope
    learning_rate: float = 2e-4
    beta1: float = 0.9
    beta2: float = 0.999
    average: float | None = None  # of G over the steps: what is saved and drawn with forgets by this factor a step
    fresh_noise: bool = True  # G's update makes images of its own, not those that D has just learnt from
    pack: int = 1  # images that D judges at once, as channels
    classes: int = 0  # G draws what it is asked for, and D knows what was asked: a number of labelled classes, or 0
    clusters: int = 0  # the same without labels: a number of kinds that k-means finds in the training images
    batch_size: int = 64
    epochs: int | None = None
    steps: int | None = None

    @property
    def inputs(self):
        """How many numbers G makes an image of: noise, and one for each kind."""
        return self.latent.size + self.kinds

    @property
    def kinds(self):
        """How many kinds of image G can be asked for: labelled classes or clusters."""
        return self.classes or self.clusters

    @property
    def length(self):
        return f"{self.epochs} epochs" if self.epochs else f"{self.steps:,} steps"


def mlp(sizes, hidden, last=()):
    """Dense layers of the given sizes, the layers that `hidden(n)` makes after each but the last, which `last` follow."""
    layers = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
        layers += [Dense(n_in, n_out), *hidden(n_out)]
    return Sequential(*layers, Dense(sizes[-2], sizes[-1]), *last)


def leaky(n):
    return [LeakyReLU(0.2)]


def leaky_dropout(n):
    return [LeakyReLU(0.2), Dropout(0.3)]


def batchnorm_relu(n):
    return [BatchNorm(n), ReLU()]


def batchnorm_leaky(n):
    return [BatchNorm(n), LeakyReLU(0.2)]


def dcgan_generator(n_z=100, channels=(256, 128, 64, 32)):
    """z -> 7x7 -> 7x7 -> 14x14 -> 14x14 -> 28x28, where a kernel of 4 doubles the size and overlaps itself evenly."""
    a, b, c, d = channels
    xavier = GlorotNormal()
    return Sequential(
        *(Dense(n_z, a * 7 * 7, init=xavier), *batchnorm_leaky(a * 7 * 7), Reshape((a, 7, 7))),
        *(ConvTranspose2d(a, b, 3, padding=1, init=xavier), *batchnorm_leaky(b)),
        *(ConvTranspose2d(b, c, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(c)),
        *(ConvTranspose2d(c, d, 3, padding=1, init=xavier), *batchnorm_leaky(d)),
        *(ConvTranspose2d(d, 1, 4, stride=2, padding=1, init=xavier), Tanh()),
    )


def dcgan_discriminator(channels=(32, 64, 128)):
    """28x28 -> 14x14 -> 7x7 -> 7x7 -> a probability."""
    a, b, c = channels
    xavier = GlorotNormal()
    return Sequential(
        *(Conv2d(1, a, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(a)),
        *(Conv2d(a, b, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(b)),
        *(Conv2d(b, c, 3, padding=1, init=xavier), *batchnorm_leaky(c)),
        *(Flatten(), Dense(c * 7 * 7, 1, init=xavier), Sigmoid()),
        input_shape=(1, 28, 28),
    )


def small_generator(n_in=64):
    """z -> 7x7 -> 14x14 -> 28x28."""
    return Sequential(
        *(Dense(n_in, 64 * 7 * 7), Reshape((64, 7, 7)), *batchnorm_leaky(64)),
        *(ConvTranspose2d(64, 32, 4, stride=2, padding=1), *batchnorm_leaky(32)),
        *(ConvTranspose2d(32, 1, 4, stride=2, padding=1), Tanh()),
    )


def small_discriminator(n_out=1):
    """28x28 -> 14x14 -> 7x7 -> logits, without batch norm: a penalty on its slope keeps it in bounds."""
    return Sequential(
        *(Conv2d(1, 32, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Conv2d(32, 64, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Flatten(), Dense(64 * 7 * 7, n_out)),
        input_shape=(1, 28, 28),
    )


CONV_R1R2 = Recipe(
    name="conv-r1r2",
    origin="ours: a small convolutional pair",
    generator=small_generator,
    discriminator=small_discriminator,
    latent=Latent(64, "normal"),
    image_range=MINUS_ONE_TO_ONE,
    penalty=ZeroCentered(1.0, every=8),
    learning_rate=1e-3,
    beta1=0.5,
    beta2=0.99,
    batch_size=16,
    average=0.999,
    fresh_noise=False,
    steps=16_000,
)

CONV_CLUSTERS = replace(
    CONV_R1R2,
    name="conv-clusters",
    origin="the default: ours, conv-r1r2 with clusters of the images in place of classes",
    generator=lambda: small_generator(16 + 200),
    discriminator=lambda: small_discriminator(200),
    latent=Latent(16, "normal"),
    penalty=ZeroCentered(0.2, every=8),
    clusters=200,
    steps=12_000,
)

HOUR = replace(CONV_CLUSTERS, name="conv-clusters-hour", origin="ours: the default for longer", average=0.9995, steps=100_000)

CONV_CLASSES = replace(
    CONV_R1R2,
    name="conv-r1r2-classes",
    origin="ours: conv-r1r2, drawing the digit that is asked for",
    generator=lambda: small_generator(64 + 10),
    discriminator=lambda: small_discriminator(10),
    classes=10,
    steps=26_000,
)

ALL = [
    CONV_CLUSTERS,
    HOUR,
    CONV_R1R2,
    CONV_CLASSES,
    Recipe(
        name="mlp-smoothed",
        origin="ours: Dense layers only",
        generator=lambda: mlp([32, 256, 256, 784], batchnorm_leaky, [Tanh()]),
        discriminator=lambda: mlp([784, 512, 256, 1], leaky_dropout),
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
        generator=lambda: mlp([100, 32, 64, 128, 784], leaky_dropout, [Tanh()]),
        discriminator=lambda: mlp([784, 128, 64, 32, 1], leaky_dropout),
        latent=Latent(100, "uniform"),
        image_range=MINUS_ONE_TO_ONE,
        learning_rate=0.002,
        epochs=100,
    ),
    Recipe(
        name="dcgan",
        origin="after: convolutional GAN",
        generator=dcgan_generator,
        discriminator=dcgan_discriminator,
        latent=Latent(100, "normal"),
        image_range=MINUS_ONE_TO_ONE,
        learning_rate=1e-4,
        epochs=20,
    ),
    Recipe(
        name="two-layer",
        origin="after: GAN from scratch in NumPy",
        generator=lambda: Sequential(
            Dense(100, 512, init=Normal(0.02)), LeakyReLU(0.01), Dense(512, 784, init=Normal(0.02)), Sigmoid()
        ),
        discriminator=lambda: Sequential(
            Dense(784, 512, init=Normal(0.02)), ReLU(), Dense(512, 1, init=Normal(0.02)), Sigmoid()
        ),
        latent=Latent(100, "normal"),
        image_range=ZERO_TO_ONE,
        learning_rate=2e-4,
        beta1=0.5,
        epochs=100,
    ),
    Recipe(
        name="mlp-batchnorm",
        origin="after: first GAN of block functions",
        generator=lambda: mlp([64, 128, 256, 512, 1024, 784], batchnorm_relu, [Sigmoid()]),
        discriminator=lambda: mlp([784, 512, 256, 128, 1], leaky),
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
        generator=lambda: mlp([100, 32, 64, 128, 784], leaky, [Tanh()]),
        discriminator=lambda: mlp([784, 128, 64, 32, 1], leaky),
        latent=Latent(100, "uniform"),
        image_range=MINUS_ONE_TO_ONE,
        objective=NonSaturating(real_target=0.9),
        learning_rate=0.002,
        epochs=50,
    ),
]
DEFAULT = CONV_CLUSTERS.name
RECIPES = {recipe.name: recipe for recipe in ALL}


def get_recipe(name):
    """The recipe of that name; `RunError`, which lists the known ones, if there is none."""
    if name not in RECIPES:
        raise RunError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}")
    return RECIPES[name]


def table():
    """The recipes as text, a line each."""
    rows = [("recipe", "length", "batch", "learning rate", "parameters", "origin")]
    for recipe in ALL:
        size = recipe.generator().n_parameters + recipe.discriminator().n_parameters
        rows.append(
            (recipe.name, recipe.length, str(recipe.batch_size), f"{recipe.learning_rate:g}", f"{size:,}", recipe.origin)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows)
