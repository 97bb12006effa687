"""The two GANs in less than 100 lines."""

import re

import numpy as np
import pytest
from PIL import Image

from gan.objectives.penalties import add_slope_penalty
from nn import Dense, Flatten, Reshape, Sequential, Sigmoid, SpectralNorm, Tanh
from tests.examples.loading import program
from tests.support.small import assert_refused

N_PIXELS = 28 * 28


def tiny(normalized=False):
    """A generator and a discriminator of two layers."""
    score = Dense(N_PIXELS, 1)
    G = Sequential(Dense(64, N_PIXELS), Sigmoid(), Reshape((1, 28, 28)))
    return G, Sequential(Flatten(), SpectralNorm(score) if normalized else score)


@pytest.mark.parametrize("name, words", [("sngan", "D .* G"), ("wgan_gp", "distance")])
def test_it_trains_and_draws(command, monkeypatch, tmp_path, name, words):
    module = program(name)
    monkeypatch.setattr(module, "networks", lambda: tiny(name == "sngan"))
    status, out, err = command(module, "--steps", 2, "--out", "digits.png")
    assert (status, err) == (0, "") and out.endswith("digits.png shows 100 digits\n")
    assert re.search(rf"step +0: {words} -?\d", out)
    with Image.open(tmp_path / "digits.png") as picture:
        assert picture.mode == "L" and picture.size == (604, 604)
    assert_refused(command(module, "--out", "digits.png"), "digits.png: it exists already")


@pytest.mark.parametrize("name", ["sngan", "wgan_gp"])
def test_its_networks_fit_the_digits(name):
    G, D = program(name).networks()
    assert G.output_shape((64,)) == (1, 28, 28) and D.output_shape((1, 28, 28)) == (1,)


def test_every_layer_of_the_discriminator_is_normalized():
    _, D = program("sngan").networks()
    assert all(isinstance(layer, SpectralNorm) for layer in D if layer.n_parameters)


def test_the_penalty_of_the_wgan_is_that_of_the_library():
    module, x = program("wgan_gp"), np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    D = Sequential(Flatten(), Dense(N_PIXELS, 5), Tanh(), Dense(5, 1)).build(seed=0)
    cache, grad = D.cache(double_backward=True), D.parameters.grad.flat
    grad.fill(1)
    module.add_penalty(D, x, cache)
    ours = grad - 1  # it is added
    grad.fill(0)
    D.forward(x, cache, train=True)
    value = np.empty(1, np.float32)
    add_slope_penalty(
        D, cache, 1.0, 2 * module.WEIGHT, toward=np.ones((3, 1), np.float32), value=value
    )
    assert np.abs(grad).max() > 0.01
    np.testing.assert_allclose(ours, grad, rtol=1e-4, atol=1e-5)
