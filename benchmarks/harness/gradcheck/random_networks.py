"""Random right networks with inputs and losses.

All layers, unusual geometries, large and small values, kinks and ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import nn
from nn.cache import Cache
from nn.checking.report import Report
from nn.settings import IntOrPair, Shape

Rng = np.random.Generator


@dataclass
class Case:
    """The arguments of gradcheck, and the name of the mistake in the network, if there is any."""

    chain: list[Any]
    x: np.ndarray
    loss: Any
    target: Any
    mistake: str | None = "none"

    def check(self) -> Report:
        return nn.gradcheck(self.chain, self.x, loss=self.loss, target=self.target)


class NegativeMean(nn.Mean):
    """-mean(y), called like a loss with a target."""

    def __call__(self, y: np.ndarray, target: None, cache: Cache) -> Any:  # type: ignore[override]
        return super().__call__(y, cache, weight=-1.0)


def random_case(seed: int | Sequence[int]) -> Case:
    """A right network, or two in a row, with an input and usually a loss."""
    rng = np.random.default_rng(seed)
    while True:
        sizes = rng.integers(1, 13, 1) if rng.random() < 0.4 else rng.integers(1, [4, 10, 10])
        shape = tuple(map(int, sizes))
        n = int(rng.integers(1, 9))
        layers, y_shape = random_layers(rng, shape, int(rng.integers(1, 8)))
        loss, target, last = random_loss(rng, n, y_shape)
        try:
            chain = [
                part.build(int(rng.integers(1 << 30)), dtype="float64")
                for part in arranged(rng, layers + last)
            ]
            case = Case(chain, random_input(rng, (n, *shape)), loss, target)
            scale_parameters(rng, chain)
            y = case.x
            for part in chain:
                y = part.forward(y, part.cache(tracks_statistics=False), train=True)
        except nn.ShapeError:  # layers that do not fit, or a batch norm of one value per feature
            continue
        return case


def random_layers(rng: Rng, shape: Shape, n: int) -> tuple[list[nn.Layer], Shape]:
    """`n` layers that fit, and the shape of their output."""
    layers: list[nn.Layer] = []
    while len(layers) < n:
        layer = random_layer(rng, shape)
        try:
            after = layer.output_shape(shape)
        except nn.ShapeError:
            continue
        if np.prod(after) <= 1200:
            layers.append(layer)
            shape = after
    return layers, shape


def random_layer(rng: Rng, shape: Shape) -> nn.Layer:
    """A layer for samples of this shape, or one that does not fit."""
    anywhere = [
        lambda: nn.ReLU(),
        lambda: nn.LeakyReLU(float(rng.uniform(0, 0.9))),
        lambda: nn.Tanh(),
        lambda: nn.Sigmoid(),
        lambda: nn.Dropout(float(rng.uniform(0, 0.8))),
        lambda: nn.BatchNorm(shape[0]),
        lambda: nn.Flatten(),
    ]
    fitting = vector_layers(rng, shape[0]) if len(shape) == 1 else image_layers(rng, shape[0])
    makers = anywhere if rng.random() < 0.45 else fitting
    return makers[rng.integers(len(makers))]()


def vector_layers(rng: Rng, size: int) -> list[Any]:
    """Makers of layers for vectors."""
    widest = 300 if rng.random() < 0.05 else 12

    def dense() -> nn.Dense:
        return nn.Dense(size, integer(rng, 1, widest))

    makers = [
        dense,
        dense,
        dense,
        lambda: nn.SpectralNorm(dense()),
        lambda: nn.Reshape((1, 1, size)),
    ]
    if size % 4 == 0:
        makers.append(lambda: nn.Reshape((size // 4, 2, 2)))
    return makers


def image_layers(rng: Rng, channels: int) -> list[Any]:
    """Makers of layers for images."""

    def conv() -> nn.Conv2d | nn.ConvTranspose2d:
        kind = nn.Conv2d if rng.random() < 0.5 else nn.ConvTranspose2d
        kernel = integer(rng, 1, 5), integer_or_pair(rng, 1, 4)
        stride, padding = integer_or_pair(rng, 1, 3), integer_or_pair(rng, 0, 2)
        return kind(channels, *kernel, stride=stride, padding=padding)

    return [
        conv,
        conv,
        conv,
        lambda: nn.SpectralNorm(conv()),
        lambda: nn.MaxPool2d(2),
        lambda: nn.MaxPool2d(3, 2, 1),
        lambda: nn.MaxPool2d(integer_or_pair(rng, 1, 3), integer_or_pair(rng, 1, 3)),
        lambda: nn.AvgPool2d(integer_or_pair(rng, 1, 3)),
        lambda: nn.AvgPool2d(3, 2, 1),
        lambda: nn.Upsample(integer_or_pair(rng, 1, 2)),
        lambda: nn.RandomShift(integer(rng, 1, 2), float(rng.normal())),
        lambda: nn.Cutout(integer(rng, 1, 3), float(rng.normal())),
    ]


def integer(rng: Rng, low: int, high: int) -> int:
    """A random integer, `high` included."""
    return int(rng.integers(low, high + 1))


def integer_or_pair(rng: Rng, low: int, high: int) -> IntOrPair:
    if rng.random() < 0.5:
        return integer(rng, low, high)
    return integer(rng, low, high), integer(rng, low, high)


def random_loss(rng: Rng, n: int, y_shape: Shape) -> tuple[Any, Any, list[nn.Layer]]:
    """A loss or None, its target, and the layers that must precede it."""
    kind = rng.integers(9)
    size = (n, *y_shape)
    target = float(rng.random()) if rng.random() < 0.5 else rng.random(size)
    if kind == 0:
        return nn.BCEWithLogits(), target, []
    if kind == 1:
        return nn.BCE(), target, [nn.Sigmoid()]
    if kind == 2:
        return nn.MeanSquaredError(), target, []
    if kind == 3:
        return nn.Hinge(), int(rng.choice([-1, 1])), []
    if kind == 4 and len(y_shape) == 1:
        return nn.SoftmaxCrossEntropy(), rng.integers(0, y_shape[0], n), []
    if kind == 5:
        return NegativeMean(), None, []
    return None, None, []


def arranged(rng: Rng, layers: list[nn.Layer]) -> list[Any]:
    """The layers as a network, with or without a network inside, or as a chain of two networks."""
    if len(layers) == 1 and rng.random() < 0.5:
        return layers
    if len(layers) > 1 and rng.random() < 0.3:
        cut = int(rng.integers(1, len(layers)))
        return [nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])]
    if len(layers) > 2 and rng.random() < 0.4:
        a, b = sorted(rng.choice(len(layers) + 1, 2, replace=False))
        layers = [*layers[:a], nn.Sequential(*layers[a:b]), *layers[b:]]
    return [nn.Sequential(*layers)]


def random_input(rng: Rng, shape: Shape) -> np.ndarray:
    """Normal, large or small values, images on a background of 0, integers or constants."""
    x = rng.standard_normal(shape)
    kind = rng.integers(8)
    if kind == 0:
        x = np.maximum(np.round(3 * x) / 3, 0)
    elif kind == 1:
        x = np.round(x)
    elif kind == 2:
        x = (rng.integers(0, 256, shape) * (rng.random(shape) < 0.3)).astype(np.float64)
    elif kind == 3:
        x = np.full(shape, rng.choice([0.0, 1.0, -1.0]))
    elif kind == 4:
        x = x * rng.choice([1e-4, 1e-2, 1e2, 1e4])
    return x


def scale_parameters(rng: Rng, chain: list[Any]) -> None:
    """Scale parameters by up to 100, zero biases, and give batch norm arbitrary values."""
    for part in chain:
        scale = rng.choice([1, 1, 1, 0.01, 100])
        zero_biases = rng.random() < 0.3
        for _, module in part.modules():
            for name in module.parameter_shapes:
                array = getattr(module, name)
                if isinstance(module, nn.BatchNorm):
                    array[...] += 0.3 * rng.standard_normal(array.shape)
                elif name == "b" and zero_biases:
                    array[...] = 0
                else:
                    array *= scale
            if isinstance(module, nn.BatchNorm):
                module.running_mean[...] = rng.standard_normal(module.n)
                module.running_var[...] = rng.uniform(0.2, 5, module.n)
