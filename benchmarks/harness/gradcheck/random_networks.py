"""Random right networks with inputs and losses: layers of all kinds, odd geometries, values large and small, kinks and ties."""

from dataclasses import dataclass

import numpy as np

import nn


@dataclass
class Case:
    """What gradcheck is called with, and which mistake was put in."""

    chain: list
    x: np.ndarray
    loss: object
    target: object
    mistake: str = "none"

    def check(self):
        return nn.gradcheck(self.chain, self.x, loss=self.loss, target=self.target)


class Raised(nn.Mean):
    """The mean, called as losses with a target are."""

    def __call__(self, y, target, cache):
        return super().__call__(y, cache, weight=-1.0)


def random_case(seed):
    """A right network, or two, with an input and mostly a loss."""
    rng = np.random.default_rng(seed)
    while True:
        sizes = rng.integers(1, 13, 1) if rng.random() < 0.4 else rng.integers(1, [4, 10, 10])
        shape = tuple(map(int, sizes))
        n = int(rng.integers(1, 9))
        layers, y_shape = random_layers(rng, shape, int(rng.integers(1, 8)))
        loss, target, last = random_loss(rng, n, y_shape)
        try:
            chain = [part.build(int(rng.integers(1 << 30)), dtype="float64") for part in arranged(rng, layers + last)]
            case = Case(chain, random_input(rng, (n, *shape)), loss, target)
            scale_parameters(rng, chain)
            y = case.x
            for part in chain:
                y = part.forward(y, part.cache(tracks_statistics=False), train=True)
        except nn.ShapeError:  # two layers that do not fit, or one value for each feature of a batch norm
            continue
        return case


def random_layers(rng, shape, n):
    layers = []
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


def random_layer(rng, shape):
    def small(low, high):
        return int(rng.integers(low, high + 1))

    def pair(low, high):
        return small(low, high) if rng.random() < 0.5 else (small(low, high), small(low, high))

    anywhere = [
        lambda: nn.ReLU(), lambda: nn.LeakyReLU(float(rng.uniform(0, 0.9))), lambda: nn.Tanh(), lambda: nn.Sigmoid(),
        lambda: nn.Dropout(float(rng.uniform(0, 0.8))), lambda: nn.BatchNorm(shape[0]), lambda: nn.Flatten(),
    ]  # fmt: skip
    if len(shape) == 1:
        wide = 300 if rng.random() < 0.05 else 12
        dense = lambda: nn.Dense(shape[0], small(1, wide))  # noqa: E731
        fitting = [dense, dense, dense, lambda: nn.SpectralNorm(dense()), lambda: nn.Reshape((1, 1, shape[0]))]
        if shape[0] % 4 == 0:
            fitting.append(lambda: nn.Reshape((shape[0] // 4, 2, 2)))
    else:
        def conv():
            kind = nn.Conv2d if rng.random() < 0.5 else nn.ConvTranspose2d
            return kind(shape[0], small(1, 5), pair(1, 4), stride=pair(1, 3), padding=pair(0, 2))

        fitting = [
            conv, conv, conv, lambda: nn.SpectralNorm(conv()), lambda: nn.MaxPool2d(2), lambda: nn.MaxPool2d(3, 2, 1),
            lambda: nn.MaxPool2d(pair(1, 3), pair(1, 3)), lambda: nn.AvgPool2d(pair(1, 3)), lambda: nn.AvgPool2d(3, 2, 1),
            lambda: nn.Upsample(pair(1, 2)), lambda: nn.RandomShift(small(1, 2), float(rng.normal())),
            lambda: nn.Cutout(small(1, 3), float(rng.normal())),
        ]  # fmt: skip
    kinds = anywhere if rng.random() < 0.45 else fitting
    return kinds[rng.integers(len(kinds))]()


def random_loss(rng, n, y_shape):
    """A loss, its target, and the layers that it needs before it."""
    kind = rng.integers(9)
    size = (n, *y_shape)
    some = float(rng.random()) if rng.random() < 0.5 else rng.random(size)
    if kind == 0:
        return nn.BCEWithLogits(), some, []
    if kind == 1:
        return nn.BCE(), some, [nn.Sigmoid()]
    if kind == 2:
        return nn.MeanSquaredError(), some, []
    if kind == 3:
        return nn.Hinge(), int(rng.choice([-1, 1])), []
    if kind == 4 and len(y_shape) == 1:
        return nn.SoftmaxCrossEntropy(), rng.integers(0, y_shape[0], n), []
    if kind == 5:
        return Raised(), None, []
    return None, None, []


def arranged(rng, layers):
    """The layers as one network, with others inside, or as a chain of two."""
    if len(layers) == 1 and rng.random() < 0.5:
        return layers
    if len(layers) > 1 and rng.random() < 0.3:
        cut = int(rng.integers(1, len(layers)))
        return [nn.Sequential(*layers[:cut]), nn.Sequential(*layers[cut:])]
    if len(layers) > 2 and rng.random() < 0.4:
        a, b = sorted(rng.choice(len(layers) + 1, 2, replace=False))
        layers = [*layers[:a], nn.Sequential(*layers[a:b]), *layers[b:]]
    return [nn.Sequential(*layers)]


def random_input(rng, shape):
    """Normal values, large or small ones, images with a background of 0, whole numbers, constants."""
    x = rng.standard_normal(shape)
    kind = rng.integers(8)
    if kind == 0:
        x = np.maximum(np.round(3 * x) / 3, 0)
    elif kind == 1:
        x = np.round(x)
    elif kind == 2:
        x = rng.integers(0, 256, shape) * (rng.random(shape) < 0.3)
    elif kind == 3:
        x = np.full(shape, rng.choice([0.0, 1.0, -1.0]))
    elif kind == 4:
        x = x * rng.choice([1e-4, 1e-2, 1e2, 1e4])
    return x.astype(np.float64)


def scale_parameters(rng, chain):
    """Parameters 100 times as large or as small, biases of 0, statistics and batch norms that have seen something."""
    for part in chain:
        scale = rng.choice([1, 1, 1, 0.01, 100])
        zero = rng.random() < 0.3
        for _, leaf in part.modules():
            for key in leaf.parameter_shapes:
                array = getattr(leaf, key)
                if isinstance(leaf, nn.BatchNorm):
                    array[...] += 0.3 * rng.standard_normal(array.shape)
                elif key == "b" and zero:
                    array[...] = 0
                else:
                    array *= scale
            if isinstance(leaf, nn.BatchNorm):
                leaf.running_mean[...] = rng.standard_normal(leaf.n)
                leaf.running_var[...] = rng.uniform(0.2, 5, leaf.n)
