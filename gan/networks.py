"""Networks that recipes are built from; each function returns a new, unbuilt `Sequential`.

n_in is the size of the generator's input, n_out the number of the discriminator's outputs. Those of
any image shape (C, H, W) take it; the others are for MNIST's, or for as many colours of its size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gan.data.image_shapes import ImageShape
from gan.errors import RunError
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

SMALL_WIDTH = 32  # channels next to the image in the small networks; they double with each stage
SMALLEST = 7  # pixels of a side down to which the small networks halve images, if they can


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


def smoothed_generator(n_in: int, image_shape: ImageShape) -> Sequential:
    """z -> 256 -> 256 -> flat images."""
    return mlp([n_in, 256, 256, math.prod(image_shape)], batchnorm_leaky, [Tanh()])


def smoothed_discriminator(n_out: int, image_shape: ImageShape) -> Sequential:
    """Flat images -> 512 -> 256 -> logits."""
    return mlp([math.prod(image_shape), 512, 256, n_out], leaky_dropout)


def small_generator(n_in: int, image_shape: ImageShape, narrowest: int = SMALL_WIDTH) -> Sequential:
    """z -> 7x7 -> 14x14 -> 28x28, and so for other sizes: each stage doubles the sides."""
    *widths, widest = small_widths(image_shape, narrowest)
    channels, height, width = image_shape
    scale = 2 ** (len(widths) + 1)
    first = (widest, height // scale, width // scale)
    layers: list[Layer] = [Dense(n_in, math.prod(first)), Reshape(first), *batchnorm_leaky(widest)]
    for n_from, n_to in zip([widest, *widths[::-1]], widths[::-1]):
        layers += [
            ConvTranspose2d(n_from, n_to, 4, stride=2, padding=1),
            *batchnorm_leaky(n_to),
        ]
    last = ConvTranspose2d(narrowest, channels, 4, stride=2, padding=1)
    return Sequential(*layers, last, Tanh())


def small_discriminator(
    n_out: int,
    image_shape: ImageShape,
    narrowest: int = SMALL_WIDTH,
    features: int | None = None,
) -> Sequential:
    """28x28 -> 14x14 -> 7x7 -> logits, and so for other sizes.

    Without batch norm, which gradient penalties rule out. With hundreds of outputs, one for each
    cluster, the last layer would be the largest by far, and each cluster's images would teach its
    own part of it only; `features` is the size of a layer in front, which all outputs share.
    """
    widths = small_widths(image_shape, narrowest)
    channels, height, width = image_shape
    layers: list[Layer] = []
    for n_from, n_to in zip([channels, *widths], widths):
        layers += [Conv2d(n_from, n_to, 4, stride=2, padding=1), LeakyReLU(0.2)]
    scale = 2 ** len(widths)
    n_last = widths[-1] * (height // scale) * (width // scale)
    sizes = [n_last, features, n_out] if features else [n_last, n_out]
    dense = [Dense(*pair) for pair in zip(sizes, sizes[1:])]
    return Sequential(*layers, Flatten(), *dense, input_shape=image_shape)


def small_widths(image_shape: ImageShape, narrowest: int = SMALL_WIDTH) -> list[int]:
    """The channels of each stage of the small networks: `narrowest`, twice that, and so on.

    Each stage halves the sides: twice, and further while they are even and above SMALLEST pixels.

    Raises
    ------
    RunError
        If the sides are not divisible by 4.
    """
    _, height, width = image_shape
    if height % 4 or width % 4:
        raise RunError(
            "images: expected sides divisible by 4, which these networks halve at least twice, "
            f"got {width} x {height}; scale them to 16, 28, 32, 48 or 64"
        )
    widths = [narrowest, 2 * narrowest]
    height, width = height // 4, width // 4
    while min(height, width) > SMALLEST and not (height % 2 or width % 2):
        widths.append(2 * widths[-1])
        height, width = height // 2, width // 2
    return widths
