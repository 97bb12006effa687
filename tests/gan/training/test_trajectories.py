"""Every recipe follows the same trajectory on every backend as on NumPy."""

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import pytest

from gan import recipes
from gan.data import stacked
from gan.data.image_shapes import POINTS
from gan.training.trainer import Trainer
from nn.ops import NumpyOps
from tests.conftest import make_backend
from tests.support.gan_step import HostStream
from tests.support.strict import StrictOps
from tests.support.tools import assert_close

RECIPES = recipes.RECIPES


def trainer_of(name, ops, batch_size, dtype="float32"):
    """A trainer of the recipe on 24 images of random bytes."""
    recipe = replace(RECIPES[name], batch_size=batch_size)
    images, labels = (
        np.random.default_rng(0).integers(0, 256, (24, 28, 28)).astype(np.uint8),
        np.arange(24) % 10,
    )
    G = recipe.generator().build(1, device=ops, dtype=dtype, name="G")
    D = recipe.discriminator().build(2, device=ops, dtype=dtype, name="D")
    if recipe.image_shape == POINTS:
        images = images[:, :1, :2]
    if recipe.image_shape == recipes.STACKED_DIGITS:
        images = stacked.StackedDigits(images, stacked.random_triples(24, 24, seed=0))
    return Trainer(recipe, images, labels, device=ops, generator=G, discriminator=D)


def recording_leaky_relu(ops, sides):
    """The backend's leaky ReLU, which records on which side of zero each value lies."""

    def leaky_relu(x, slope, *, out):
        type(ops).leaky_relu(ops, x, slope, out=out)
        sides.append(ops.to_host(out) > 0)
        return out

    return leaky_relu


def replaying_leaky_relu(ops, sides):
    """The backend's leaky ReLU, with each value near zero moved to its recorded side.

    Rounding decides the side, and the gradient depends on it: one value of 300,000 on the other
    side may change the gradient by 1%, and later steps by more.
    """
    sides = iter(sides)

    def leaky_relu(x, slope, *, out):
        type(ops).leaky_relu(ops, x, slope, out=out)
        y, above = ops.to_host(out), next(sides)
        differing = (y > 0) != above
        if differing.any():
            assert np.abs(y[differing]).max() <= 1e-5 * np.abs(y).max()
            y[differing] = np.where(above, np.finfo(y.dtype).tiny, 0)[differing]
            ops.copy_(out, ops.asarray(y))
        return out

    return leaky_relu


def trajectory(name, ops, leaky_relu, steps, batch_size, dtype, eps=None):
    """The results of some steps, on the host.

    Returns a list of the losses of each step, the fixed samples, weights and statistics, and a list
    of both networks' gradients by name in the first step, which includes any penalty, and the last.
    All random numbers are drawn on the host, so every backend gets the same. `eps` replaces Adam's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ops, "stream", partial(HostStream, ops), raising=False)
        patch.setattr(ops, "leaky_relu", leaky_relu, raising=False)
        trainer = trainer_of(name, ops, batch_size, dtype)
        for optimizer in (
            trainer.adversarial_step.g_optimizer,
            trainer.adversarial_step.d_optimizer,
        ):
            optimizer.eps = eps or optimizer.eps
        gradients = []
        for step in range(steps):
            trainer.step()
            for net in (trainer.generator, trainer.discriminator) if step in (0, steps - 1) else ():
                gradients.append(
                    {key: ops.to_host(dW).copy() for key, dW in net.parameters.grad.items()}
                )
        results = [ops.to_host(trainer.log.ring)[:steps], trainer.fixed_samples()]
        return results + [
            ops.to_host(array) for name, array in trainer.learned.items() if "adam" not in name
        ], gradients


@lru_cache(maxsize=1)
def numpys_trajectory(name, *settings):
    """The results on NumPy, and the recorded sides; for one backend after the other."""
    cpu, sides = NumpyOps(), []
    return *trajectory(name, cpu, recording_leaky_relu(cpu, sides), *settings), sides


def assert_same_trajectory(name, ops, tolerance, *settings):
    wanted, wanted_gradients, sides = numpys_trajectory(name, *settings)
    results, gradients = trajectory(name, ops, replaying_leaky_relu(ops, sides), *settings)
    for got, want in zip(results, wanted, strict=True):
        assert_close(got, want, tolerance)
    # Gradients too, since Adam hides their size. That of a bias before batch norm is rounding only.
    for got, want in zip(gradients, wanted_gradients, strict=True):
        largest = max(np.abs(dW).max() for dW in want.values())
        for key, dW in want.items():
            assert np.abs(got[key] - dW).max() <= tolerance * max(np.abs(dW).max(), largest / 10), (
                key
            )


# the topmost decorator's values come first, one after the other for each recipe
of_each_backend = pytest.mark.parametrize(
    "backend", ["numba", "emulated", pytest.param("cuda", marks=pytest.mark.gpu)]
)


@of_each_backend
@pytest.mark.parametrize("name", RECIPES)
def test_ten_float32_steps_match_numpy(backend, name, request):
    """Adam divides by the size of a gradient: without an eps of 0.01, a gradient that is rounding
    only would take a full step in a random direction."""
    ops = make_backend(backend, request)
    assert_same_trajectory(name, ops, 1e-4, 10, 4, "float32", 0.01)


@of_each_backend
@pytest.mark.parametrize("name", RECIPES)
def test_float64_steps_match_numpy_closely(backend, name, request):
    """With the recipe's own Adam."""
    ops = make_backend(backend, request)
    assert_same_trajectory(name, ops, 1e-6, 3, 4, "float64")


@pytest.mark.parametrize("backend", ["strict", "emulated"])
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_neither_reads_nor_allocates_once_warm(name, backend, request):
    """The first step includes any penalty, so it needs as much memory as any step."""
    if backend == "strict":
        ops = StrictOps()
        freeze, thaw = ops.freeze, ops.thaw
    else:
        ops = request.getfixturevalue("emulated_cupy_ops").CudaOps()
        guard = request.getfixturevalue("emulated_cupy").guard
        freeze, thaw = (partial(setattr, guard, "frozen", frozen) for frozen in (True, False))
    trainer = trainer_of(name, ops, batch_size=4)
    trainer.step()
    freeze()
    try:
        for _ in range(9 if backend == "strict" else 1):  # the ninth has a penalty again
            trainer.step()
    finally:
        thaw()
    assert all(ops.all_finite(array) for array in trainer.learned.values())
