"""The variational autoencoder: its gradients, and a tiny run."""

import math
import re

import numpy as np
import pytest
from PIL import Image

from tests.examples.loading import program
from tests.support.small import assert_refused

N_PIXELS, N_LATENT = 6, 3


@pytest.fixture
def vae(monkeypatch):
    """A small one whose codes are far from N(0, 1), so that both terms of the loss matter."""
    module = program("vae")
    monkeypatch.setattr(module, "HIDDEN", 8)
    vae = module.VAE(N_PIXELS, N_LATENT, np.random.default_rng(0))
    vae.encoder[-1].W *= 8
    return vae


def images(n=5):
    return (np.random.default_rng(1).random((n, N_PIXELS)) < 0.5).astype(np.float32)


def elbo(vae, x):
    vae.rng = np.random.default_rng(2)  # the same eps each time
    return vae.forward(x)[0]


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_the_gradients_are_those_of_minus_the_elbo(vae, network):
    x, parameters = images(), getattr(vae, network).parameters
    vae.optimizers, vae.rng = [], np.random.default_rng(2)
    vae.step(x)
    weights, gradient = parameters.value.flat, parameters.grad.flat.astype(np.float64)
    norm, h, at = np.linalg.norm(gradient), 5e-4, weights.copy()
    # a step this small crosses no kink of ReLU
    weights[:] = at + h * gradient / norm
    above = elbo(vae, x)
    weights[:] = at - h * gradient / norm
    assert norm > 0.1 and (elbo(vae, x) - above) / (2 * h) == pytest.approx(norm, rel=3e-3)


def test_the_elbo_is_that_of_the_formula(vae):
    x = images()
    got = elbo(vae, x)
    mu, logvar = np.split(vae.encoder(x).astype(np.float64), 2, axis=1)
    assert np.abs(mu).max() > 1
    eps = np.random.default_rng(2).standard_normal(mu.shape, dtype=np.float32)
    p = vae.decode(mu + np.exp(logvar / 2) * eps)
    log_likelihood = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
    kl = (mu**2 + np.exp(logvar) - 1 - logvar).sum(1) / 2
    assert got == pytest.approx((log_likelihood - kl).mean(), rel=1e-5)


def test_pixels_are_drawn_with_the_grey_levels_as_probabilities():
    grey = np.tile(np.array([0, 51, 255], np.uint8), (20_000, 1))
    x = program("vae").drawn(grey, np.random.default_rng(0))
    assert x.dtype == np.float32 and set(np.unique(x)) == {0, 1}
    assert np.abs(x.mean(0) - [0, 0.2, 1]).max() < 0.01 and x[:, 0].max() == 0 < x[:, 2].min()


@pytest.mark.parametrize("n_latent, last", [(2, "plane.png"), (3, "walks.png")])
def test_a_tiny_run(command, monkeypatch, tmp_path, n_latent, last):
    module = program("vae")
    digits = np.random.default_rng(0).integers(0, 256, (300, 784)).astype(np.uint8)
    monkeypatch.setattr(module, "load", lambda *words, **options: (digits, None))
    monkeypatch.setattr(module, "HIDDEN", 8)
    status, out, err = command(module, "--steps", 3, "--latent", n_latent, "--out", "v")
    assert (status, err) == (0, "") and "300 images of mnist-sample, 3 steps" in out
    rows = re.findall(r"^epoch +(\d): ELBO (\S+), (\S+) on the test images$", out, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(math.isclose(float(row[1]), -550, abs_tol=30) for row in rows)  # 784 log 2 = 543
    names = sorted(path.name for path in (tmp_path / "v").iterdir())
    assert names == sorted(["reconstructions.png", "samples.png", last])
    for name in names:
        with Image.open(tmp_path / "v" / name) as picture:
            assert picture.width == (1444 if name == "plane.png" else 724)
    assert_refused(command(module, "--out", "v"), "v: expected an empty or new folder")
