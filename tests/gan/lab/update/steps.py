"""Small recipes whose steps are opened, one for each kind of step."""

from dataclasses import replace

from gan.objectives.objectives import Relativistic
from gan.objectives.penalties import OneCentered, ZeroCentered
from gan.training.rehearsal import rehearse
from nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from tests.support.small import TINY, TINY_BATCHNORM, trainer


def conv_generator(n_in):
    return Sequential(
        *(Dense(n_in, 98), Reshape((2, 7, 7)), BatchNorm(2), LeakyReLU(0.2)),
        *(ConvTranspose2d(2, 1, 4, stride=4), Tanh()),
    )


def conv_discriminator(n_out):
    return Sequential(
        *(Conv2d(1, 3, 4, stride=4), LeakyReLU(0.2), Flatten(), Dense(147, n_out)),
        input_shape=(1, 28, 28),
    )


CONV = replace(
    TINY,
    make_generator=conv_generator,
    make_discriminator=conv_discriminator,
    penalty=ZeroCentered(1.0, every=2),
    fresh_noise=False,
    ema_decay=0.9,
)
PROBABILITIES = replace(
    TINY_BATCHNORM,
    make_discriminator=lambda n: Sequential(Dense(784, 5), BatchNorm(5), Dense(5, n), Sigmoid()),
)
RECIPES = {
    "conv": CONV,
    "dropout": TINY,
    "batch norm": PROBABILITIES,
    "clusters": replace(CONV, clusters=3),
    "own pass": replace(TINY, penalty=OneCentered()),
    "pairs": replace(TINY, objective=Relativistic()),
}


def opened(recipe, steps=0):
    """A trainer after some steps, and its next one."""
    made = trainer(recipe, device="numpy", capture=False)
    for _ in range(steps):
        made.step()
    return made, rehearse(made)
