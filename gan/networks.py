"""Networks that recipes are built from; each function returns a new, unbuilt `Sequential`.

n_in is the size of the generator's input, n_out the number of the discriminator's outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    GlorotNormal,
    Layer,
    LeakyReLU,
    Normal,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)


def mlp(
    sizes: Sequence[int], hidden: Callable[[int], list[Layer]], last: Sequence[Layer] = ()
) -> Sequential:
    """Dense layers of these sizes.

    Parameters
    ----------
    sizes : width of the input, then of each Dense layer's output
    hidden : given its width, returns the layers that follow a Dense layer, except after the last
    last : layers that follow the last Dense layer
    """
    layers: list[Layer] = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
        layers += [Dense(n_in, n_out), *hidden(n_out)]
    return Sequential(*layers, Dense(sizes[-2], sizes[-1]), *last)


# ---- what follows a layer


def leaky(n: int) -> list[Layer]:
    """What follows a layer of n units or channels, here and below."""
    return [LeakyReLU(0.2)]


def leaky_dropout(n: int) -> list[Layer]:
    """LeakyReLU, then dropout of 0.3."""
    return [LeakyReLU(0.2), Dropout(0.3)]


def batchnorm_relu(n: int) -> list[Layer]:
    """Batch normalization of n channels, then ReLU."""
    return [BatchNorm(n), ReLU()]


def batchnorm_leaky(n: int) -> list[Layer]:
    """Batch normalization of n channels, then LeakyReLU."""
    return [BatchNorm(n), LeakyReLU(0.2)]


# ---- networks


def two_layer_generator(n_in: int) -> Sequential:
    """z -> 512 -> 784."""
    init = Normal(0.02)
    return Sequential(
        Dense(n_in, 512, init=init), LeakyReLU(0.01), Dense(512, 784, init=init), Sigmoid()
    )


def two_layer_discriminator(n_out: int) -> Sequential:
    """784 -> 512 -> probabilities."""
    init = Normal(0.02)
    return Sequential(Dense(784, 512, init=init), ReLU(), Dense(512, n_out, init=init), Sigmoid())


def dcgan_generator(
    n_in: int = 100, channels: Sequence[int] = (256, 128, 64, 32), image_channels: int = 1
) -> Sequential:
    """z -> 7x7 -> 7x7 -> 14x14 -> 14x14 -> 28x28.

    With stride 2, a kernel of 4 covers all output pixels evenly.
    """
    a, b, c, d = channels
    xavier = GlorotNormal()
    return Sequential(
        *(Dense(n_in, a * 7 * 7, init=xavier), *batchnorm_leaky(a * 7 * 7), Reshape((a, 7, 7))),
        *(ConvTranspose2d(a, b, 3, padding=1, init=xavier), *batchnorm_leaky(b)),
        *(ConvTranspose2d(b, c, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(c)),
        *(ConvTranspose2d(c, d, 3, padding=1, init=xavier), *batchnorm_leaky(d)),
        *(ConvTranspose2d(d, image_channels, 4, stride=2, padding=1, init=xavier), Tanh()),
    )


def dcgan_discriminator(
    n_out: int = 1, channels: Sequence[int] = (32, 64, 128), image_channels: int = 1
) -> Sequential:
    """28x28 -> 14x14 -> 7x7 -> 7x7 -> probabilities."""
    a, b, c = channels
    xavier = GlorotNormal()
    return Sequential(
        *(Conv2d(image_channels, a, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(a)),
        *(Conv2d(a, b, 4, stride=2, padding=1, init=xavier), *batchnorm_leaky(b)),
        *(Conv2d(b, c, 3, padding=1, init=xavier), *batchnorm_leaky(c)),
        *(Flatten(), Dense(c * 7 * 7, n_out, init=xavier), Sigmoid()),
        input_shape=(image_channels, 28, 28),
    )


def small_generator(n_in: int, image_channels: int = 1) -> Sequential:
    """z -> 7x7 -> 14x14 -> 28x28."""
    return Sequential(
        *(Dense(n_in, 64 * 7 * 7), Reshape((64, 7, 7)), *batchnorm_leaky(64)),
        *(ConvTranspose2d(64, 32, 4, stride=2, padding=1), *batchnorm_leaky(32)),
        *(ConvTranspose2d(32, image_channels, 4, stride=2, padding=1), Tanh()),
    )


def small_discriminator(n_out: int, image_channels: int = 1) -> Sequential:
    """28x28 -> 14x14 -> 7x7 -> logits, without batch norm, which gradient penalties rule out."""
    return Sequential(
        *(Conv2d(image_channels, 32, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Conv2d(32, 64, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Flatten(), Dense(64 * 7 * 7, n_out)),
        input_shape=(image_channels, 28, 28),
    )
