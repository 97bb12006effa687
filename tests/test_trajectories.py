"""Every recipe trains on every backend, and goes the same way there as on the CPU."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gan import recipes, stacked
from gan.training import Trainer
from nn.ops import NumpyOps
from tests.gan_step import HostStream
from tests.strict import StrictOps
from tests.tools import assert_close

RECIPES = recipes.RECIPES | stacked.RECIPES


def trainer_of(name, ops, batch_size, dtype="float32"):
    """A trainer of the recipe on 24 images of random bytes."""
    recipe = replace(RECIPES[name], batch_size=batch_size)
    images, labels = np.random.default_rng(0).integers(0, 256, (24, 28, 28)).astype(np.uint8), np.arange(24) % 10
    G = recipe.generator().build(1, device=ops, dtype=dtype, name="G")
    D = recipe.discriminator().build(2, device=ops, dtype=dtype, name="D")
    more = {}
    if name in stacked.RECIPES:
        more["batches"] = partial(stacked.StackedBatches, triples=stacked.random_triples(24, 24, seed=0))
    return Trainer(recipe, images, labels, device=ops, generator=G, discriminator=D, **more)


def trajectory(name, ops, steps, batch_size, dtype, eps=None):
    """What so many steps come to: the figures of each, then images, weights and statistics, all on the host.

    All random numbers are drawn on the host, the same for every backend. eps: of Adam, instead of its own.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "stream", partial(HostStream, ops), raising=False)
        trainer = trainer_of(name, ops, batch_size, dtype)
        for optimizer in (trainer._step.g_optimizer, trainer._step.d_optimizer):
            optimizer.eps = eps or optimizer.eps
        for _ in range(steps):
            trainer.step()
        figures = [ops.to_host(trainer.log._ring)[:steps], trainer.fixed_images()]
        return figures + [ops.to_host(buffer) for buffer in trainer._weights.values()]


def assert_same_way(name, ops, tolerance, *how):
    for here, there in zip(trajectory(name, ops, *how), trajectory(name, NumpyOps(), *how), strict=True):
        assert_close(here, there, tolerance)


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def cuda(request):
    from tests.conftest import make_backend

    return make_backend(request.param, request)


@pytest.mark.parametrize("name", RECIPES)
def test_ten_steps_agree_with_the_cpu(cuda, name):
    """In float32. Adam divides by the size of a gradient, so that one which is nothing but rounding takes as long a step as any,
    in a random direction, and may take a leaky ReLU over its kink: an eps of 0.01 keeps it where it belongs."""
    assert_same_way(name, cuda, 1e-3, 10, 8, "float32", 0.01)


@pytest.mark.parametrize("name", RECIPES)
def test_steps_agree_with_the_cpu_to_the_last_digits(cuda, name):
    """In float64, with the recipe's own Adam."""
    assert_same_way(name, cuda, 1e-6, 3, 4, "float64")


@pytest.mark.parametrize("backend", ["strict", "emulated"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_neither_reads_nor_allocates_once_warm(name, backend, request):
    """The first step has every recipe's penalty, so that it needs all memory that any step needs."""
    ops = StrictOps() if backend == "strict" else request.getfixturevalue("emulated_cupy_ops").CupyOps()
    trainer = trainer_of(name, ops, batch_size=4)
    guard = trainer.fixed_inputs._guard
    trainer.step()
    guard.frozen = True
    try:
        for _ in range(9 if backend == "strict" else 1):  # the ninth step has a penalty again
            trainer.step()
    finally:
        guard.frozen = False
    assert all(ops.all_finite(buffer) for buffer in trainer._weights.values())
