"""With floating-point errors raised, a program trains, draws and evaluates to the same bytes."""

from dataclasses import replace

import numpy as np
import pytest

import nn
from gan.evaluation import mnist_score, parzen_log_likelihoods
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from nn.ops import get_ops
from tests.gan.training.test_trajectories import RECIPES, trainer_of
from tests.support.small import held, weights
from tests.support.tools import normal

each_device = pytest.mark.parametrize("device", ["cpu", "numpy"])


def trained(name, device):
    """Train three steps with a D so confident that gradients underflow; return all bytes."""
    trainer = trainer_of(name, get_ops(device), batch_size=4)
    trainer.discriminator.parameters.value.flat[...] *= 10
    trainer.fit(steps=3)
    return weights(trainer), trainer.fixed_samples().tobytes()


@each_device
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_to_the_same_bytes(name, device):
    with np.errstate(all="raise"):
        got = trained(name, device)
    with np.errstate(all="ignore"):
        assert got == trained(name, device)


@each_device
@pytest.mark.parametrize("optimizer", [nn.Adam, nn.RMSProp, lambda net: nn.SGD(net, momentum=0.9)])
def test_optimizers_take_tiny_gradients(optimizer, device):
    net = nn.Dense(3, 2).build(seed=0, device=device)
    made = optimizer(net)
    net.parameters.grad.flat[...] = 1e-30
    with np.errstate(all="raise"):
        for _ in range(3):
            made.step()
            net.ops.moving_average_(net.dW.reshape(-1), net.dW.reshape(-1), 1e-20)


@each_device
@pytest.mark.parametrize("loss", [nn.BCEWithLogits(), nn.BCE(), nn.MeanSquaredError()])
def test_losses_take_tiny_and_large_outputs(loss, device):
    cache = nn.Dense(1, 1).build(device=device).cache()
    with np.errstate(all="raise"):
        for y in (1e-30, 0.0, 1.0, 95.0, -95.0)[: 3 if isinstance(loss, nn.BCE) else 5]:
            outputs, targets = (np.full((4, 1), x, np.float32) for x in (y, 1e-20))
            value, _ = loss(outputs, targets, cache, weight=1e-20)
            assert np.isfinite(value[0])


@each_device
def test_arithmetic_of_the_program_still_raises(device):
    """After a pass through a network."""
    net = nn.Sequential(nn.Dense(3, 2), nn.Sigmoid()).build(seed=0, device=device)
    with np.errstate(under="raise"):
        net(200 * normal(4, 3, dtype=np.float32))
        with pytest.raises(FloatingPointError):
            np.float32(1e-30) * np.array([1e-30], np.float32)


def test_a_step_without_a_trainer():
    """A discriminator that is right and confident."""
    hidden = nn.Dense(3, 4), nn.LeakyReLU(0.2), nn.BatchNorm(4), nn.Tanh()
    net = nn.Sequential(*hidden, nn.Dense(4, 1), nn.Sigmoid()).build(seed=0)
    x, cache, optimizer = normal(16, 3, dtype=np.float32), net.cache(), nn.Adam(net)
    net[4].b[...] = 95
    with np.errstate(all="raise"):
        for _ in range(3):
            _, dy = nn.BCE()(net.forward(x, cache, train=True), 1, cache)
            net.backward(dy, cache)
            optimizer.step()
    assert np.isfinite(np.frombuffer(held(net), np.float32)).all()


def test_clusters_of_images_with_a_constant_edge():
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 28, 28)).astype(np.uint8)
    images[:, :, :4] = 0
    recipe = replace(get_recipe("conv-clusters"), batch_size=4)
    with np.errstate(all="raise"):
        found = Trainer(recipe, images).cluster_ids
    assert np.array_equal(found, Trainer(recipe, images).cluster_ids)


def test_metrics():
    images = np.linspace(0, 1, 40).reshape(4, 10)
    p = np.array([[1.0, 0], [1e-310, 1]])
    with np.errstate(all="raise"):
        got = parzen_log_likelihoods(images, 50 * images, [0.1]), mnist_score(p)
    assert np.isfinite(got[0]).all() and np.isfinite(got[1])
