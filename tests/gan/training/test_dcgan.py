"""The recipe `dcgan`: convolutions, batch norm and activations together."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import nn
from gan.networks import dcgan_discriminator, dcgan_generator
from gan.recipes import get_recipe
from gan.training.step.adversarial_step import AdversarialStep
from tests.support.small import CHECKOUT
from tests.support.tools import buffers, normal

RECIPE = get_recipe("dcgan")


def small():
    """The recipe's networks with few channels."""
    return dcgan_generator(n_in=5, channels=(6, 5, 4, 3)), dcgan_discriminator(channels=(3, 4, 5))


def adversarial_step(batch_size, dtype="float32"):
    G, D = (
        net.build(seed=i, dtype=dtype, name="GD"[i])
        for i, net in enumerate((RECIPE.generator(), RECIPE.discriminator()))
    )
    return AdversarialStep(
        G, D, replace(RECIPE, batch_size=batch_size), G.ops.stream(np.random.SeedSequence(0))
    )


def a_log(dtype="float32"):
    return {
        key: np.zeros(1, dtype)
        for key in ("d_loss_real", "d_loss_fake", "d_real", "d_fake", "g_loss")
    }


def test_the_recipe_keeps_the_settings_of_its_origin():
    G, D = RECIPE.generator(), RECIPE.discriminator()
    types = [type(layer).__name__ for layer in G]
    block = ["BatchNorm", "LeakyReLU"]
    assert types == [
        "Dense",
        *block,
        "Reshape",
        *(["ConvTranspose2d", *block] * 3),
        "ConvTranspose2d",
        "Tanh",
    ]
    assert [type(layer).__name__ for layer in D] == [
        *(["Conv2d", *block] * 3),
        "Flatten",
        "Dense",
        "Sigmoid",
    ]
    assert G[3].shape == (256, 7, 7)
    assert [(layer.c_in, layer.c_out) for layer in G if isinstance(layer, nn.ConvTranspose2d)] == [
        (256, 128),
        (128, 64),
        (64, 32),
        (32, 1),
    ]
    assert [(layer.c_in, layer.c_out) for layer in D if isinstance(layer, nn.Conv2d)] == [
        (1, 32),
        (32, 64),
        (64, 128),
    ]
    for layer in (*G, *D):
        assert getattr(layer, "init", nn.GlorotNormal()) == nn.GlorotNormal()
        assert getattr(layer, "slope", 0.2) == 0.2
    assert G.output_shape((100,)) == (1, 28, 28) and D.output_shape((1, 28, 28)) == (1,)
    assert (RECIPE.latent.size, RECIPE.latent.distribution, RECIPE.image_range) == (
        100,
        "normal",
        (-1, 1),
    )
    assert (RECIPE.learning_rate, RECIPE.beta1, RECIPE.batch_size, RECIPE.epochs) == (
        1e-4,
        0.9,
        64,
        20,
    )
    assert RECIPE.objective.real_target == RECIPE.objective.weight == 1


@pytest.mark.gradcheck
def test_gradients_of_the_whole_chain_match_finite_differences():
    """loss(D(G(z))), D in training mode, down to the noise and every parameter of both."""
    G, D = small()
    report = nn.gradcheck([G, D], normal(4, 5), loss=nn.BCE(), target=1.0)
    named = [entry.where for entry in report.entries]
    assert (
        len(named)
        == len([*G, *D]) + 2 * len([layer for layer in (*G, *D) if layer.parameter_shapes]) + 1
    )
    assert report.ok, report


def test_batch_norm_between_convolutions_has_one_mean_per_channel():
    G, _ = small()
    G.build(seed=0, dtype="float64")
    cache = G.cache()
    G.forward(normal(8, 5), cache, train=True)
    assert isinstance(G[5], nn.BatchNorm)
    y = buffers(cache.parts[5])["y"].transpose(0, 3, 1, 2)
    assert np.abs(y.mean(axis=(0, 2, 3))).max() < 1e-12 < 0.1 < np.abs(y.mean(axis=0)).max()


def test_a_frozen_discriminator_keeps_its_gradients_and_gives_the_same_dx():
    G, D = small()
    D.build(seed=1, dtype="float64")
    x, dy = normal(4, 1, 28, 28), normal(4, 1, seed=1)
    results = []
    for grads in ("write", "skip"):
        cache = D.cache()
        D.parameters.grad.flat[...] = 7.0
        D.forward(x, cache, train=True)
        results.append(D.backward(dy.copy(), cache, grads=grads).copy())
    assert (D.parameters.grad.flat == 7).all() and (results[0] == results[1]).all()


def test_one_step_moves_every_parameter_and_keeps_float32():
    step = adversarial_step(4)
    networks = step.G, step.D
    before = [{key: view.copy() for key, view in net.parameters.value.items()} for net in networks]
    step.real_rows[...] = normal(4, 784, dtype=np.float32)
    log = a_log()
    step(log)
    assert all(np.isfinite(value).all() and value[0] > 0 for value in log.values())
    for net, old in zip(networks, before):
        for key, view in net.parameters.value.items():
            assert (view != old[key]).any(), key
    for cache in (step.g_cache, step.d_cache, step.frozen_cache):
        assert {x.dtype.name for x in buffers(cache).values()} == {"float32"}


def test_a_training_step_allocates_no_array():
    step, log = adversarial_step(32), a_log()
    step.real_rows[...] = 0
    small_buffer = np.setbufsize(16)  # of NumPy's own, for sums over a broadcast row
    try:
        for _ in range(2):
            step(log)
        tracemalloc.start()
        step(log)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step(log)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
        np.setbufsize(small_buffer)
    smallest_activation = 32 * 64 * 7 * 7 * 4  # bytes
    assert peak < 8_000 < smallest_activation, peak
    # All algorithms of the convolutions ran.
    assert any("winograd" in name for name, _ in step.ops.scratch.buffers)


def test_a_step_of_the_recipe_fits_into_500_megabytes():
    adversarial_step(2)(a_log())  # compiles the kernels, which takes memory of its own
    code = (
        "import resource, numpy as np\n"
        "from gan.recipes import get_recipe\n"
        "from gan.training.trainer import Trainer\n"
        "t = Trainer(get_recipe('dcgan'), np.zeros((64, 784), np.uint8)); t.step(); t.step()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    # Through a shell: a direct child of pytest would inherit its peak.
    command = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert 100_000 < kilobytes < 500_000
