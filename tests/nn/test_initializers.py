"""Initializers: their distributions, and the fans that layers pass."""

import math

import numpy as np
import pytest

import nn
from tests.oracles import load

SHAPE, FANS = (300, 200), {"fan_in": 300, "fan_out": 200}
N = math.prod(SHAPE)
NORMAL = {
    "normal": (nn.Normal(0.02), 0.02),
    "normal_wide": (nn.Normal(0.7), 0.7),
    "glorot": (nn.GlorotNormal(), math.sqrt(2 / 500)),
    "glorot_gain": (nn.GlorotNormal(gain=5 / 3), 5 / 3 * math.sqrt(2 / 500)),
    "he": (nn.HeNormal(), math.sqrt(2 / 300)),
}
UNIFORM = {
    "glorot": (nn.GlorotUniform(), math.sqrt(6 / 500)),
    "glorot_gain": (nn.GlorotUniform(gain=2.0), 2 * math.sqrt(6 / 500)),
    "he": (nn.HeUniform(), math.sqrt(6 / 300)),
    "pytorch": (nn.TorchDefault(), math.sqrt(1 / 300)),
}


def draw(init, seed=0):
    return init(np.random.default_rng(seed), SHAPE, **FANS)


@pytest.mark.parametrize("name", NORMAL)
def test_normal_initializers_have_the_right_distribution(name):
    init, std = NORMAL[name]
    x = draw(init) / std
    assert x.shape == SHAPE
    assert abs(x.mean()) < 5 / math.sqrt(N)
    assert abs(x.std() - 1) < 5 / math.sqrt(2 * N)
    assert abs(np.mean(np.abs(x) < 1) - 0.6827) < 0.01  # the tails of a normal distribution
    assert 3.5 < np.abs(x).max() < 6


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_initializers_fill_their_interval(name):
    init, bound = UNIFORM[name]
    x = draw(init) / bound
    assert x.shape == SHAPE
    assert -1 <= x.min() < -0.999 and 0.999 < x.max() <= 1
    assert abs(x.mean()) < 5 / math.sqrt(3 * N)
    assert abs(x.std() - 1 / math.sqrt(3)) < 0.01
    assert abs(np.mean(np.abs(x) < 0.5) - 0.5) < 0.02


@pytest.mark.parametrize(
    "name, init",
    [
        ("default_W", nn.TorchDefault()),
        ("xavier_normal", nn.GlorotNormal()),
        ("xavier_uniform", nn.GlorotUniform()),
        ("kaiming_normal", nn.HeNormal()),
        ("kaiming_uniform", nn.HeUniform()),
    ],
)
def test_spread_matches_pytorch(name, init):
    std, largest = load("initializers")[name]
    x = draw(init)
    assert 0.98 < x.std() / std < 1.02
    low, high = (0.75, 1.33) if "normal" in name else (0.999, 1.001)
    assert low < np.abs(x).max() / largest < high


def test_initial_values_of_dense_match_pytorch():
    layer, want = nn.Dense(300, 200).build(seed=0), load("initializers")
    for got, (std, largest) in ((layer.W, want["default_W"]), (layer.b, want["default_b"])):
        assert 0.85 < got.std() / std < 1.18
        assert 0.95 < np.abs(got).max() / largest < 1.05


def test_dense_passes_fan_in_and_fan_out():
    W = nn.Dense(300, 3, init=nn.HeUniform()).build(seed=0, dtype="float64").W
    assert 0.98 < np.abs(W).max() / math.sqrt(6 / 300) <= 1
    W = nn.Dense(3, 300, init=nn.HeUniform()).build(seed=0, dtype="float64").W
    assert 0.98 < np.abs(W).max() / math.sqrt(6 / 3) <= 1


@pytest.mark.parametrize("value", [0.0, -1.5])
def test_constant(value):
    assert (draw(nn.Constant(value)) == value).all()


@pytest.mark.parametrize(
    "init", [init for init, _ in (*NORMAL.values(), *UNIFORM.values())], ids=repr
)
def test_randomness_comes_only_from_the_generator(init):
    assert (draw(init, seed=1) == draw(init, seed=1)).all()
    assert (draw(init, seed=1) != draw(init, seed=2)).any()
    assert eval(repr(init), vars(nn)) == init  # noqa: S307
