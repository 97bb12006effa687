"""The step against a second implementation from the equations: plain passes in float64."""

from dataclasses import replace

import numpy as np
import pytest

from gan.errors import RunError
from gan.latent import Latent
from gan.objectives.objectives import NonSaturating
from gan.training.recording.loss_log import LossLog
from gan.training.step.adversarial_step import AdversarialStep
from nn import BatchNorm, Dense, Dropout, LeakyReLU, Sequential, ShapeError, Sigmoid, Tanh
from tests.support.small import TINY

N, LATENT, PIXELS = 6, 4, 10
RATE, BETA1 = 0.01, 0.5
RECIPE = replace(
    TINY,
    latent=Latent(LATENT),
    batch_size=N,
    learning_rate=RATE,
    beta1=BETA1,
    objective=NonSaturating(real_target=0.9, weight=0.5),
    image_range=(0.0, 1.0),
)


def mlp_generator(batchnorm=False):
    return Sequential(
        Dense(LATENT, 7), *[BatchNorm(7)] * batchnorm, LeakyReLU(0.2), Dense(7, PIXELS), Tanh()
    )


def mlp_discriminator(batchnorm=False, last=()):
    return Sequential(
        Dense(PIXELS, 5), *[BatchNorm(5)] * batchnorm, LeakyReLU(0.2), Dense(5, 1), *last
    )


def make_step(G, D, seed=3, dtype="float64", recipe=RECIPE, n=N):
    """A step on built networks, with real images in place, and a log."""
    G.build(seed=1, dtype=dtype, name="G")
    D.build(seed=2, dtype=dtype, name="D")
    recipe = replace(recipe, batch_size=n)
    step = AdversarialStep(G, D, recipe, G.ops.stream(np.random.SeedSequence(seed)))
    step.real_rows[...] = np.random.default_rng(4).uniform(-1, 1, (n, step.real_rows.shape[1]))
    return step, LossLog(G.ops, 20, dtype)


# ---- the second implementation


class Plain:
    """A copy of a network's parameters, with textbook passes and Adam as in the paper."""

    def __init__(self, network):
        self.layers = list(network)
        self.p = {name: np.array(view) for name, view in network.parameters.value.items()}
        self.running = {
            name: np.array(view) for name, view in network.parameters.statistics.items()
        }
        self.m = {name: np.zeros_like(view) for name, view in self.p.items()}
        self.v = {name: np.zeros_like(view) for name, view in self.p.items()}
        self.t = 0

    def forward(self, x, tracks=False):
        """y in training mode, and each layer's input; `tracks` updates running statistics."""
        seen = []
        for i, layer in enumerate(self.layers):
            seen.append(x)
            if isinstance(layer, Dense):
                x = x @ self.p[f"{i}.W"] + self.p[f"{i}.b"]
            elif isinstance(layer, BatchNorm):
                mean, var = x.mean(0), x.var(0)
                if tracks:
                    for name, value in (("mean", mean), ("var", x.var(0, ddof=1))):
                        old = self.running[f"{i}.running_{name}"]
                        self.running[f"{i}.running_{name}"] = 0.9 * old + 0.1 * value
                x = self.p[f"{i}.W"] * (x - mean) / np.sqrt(var + 1e-5) + self.p[f"{i}.b"]
            elif isinstance(layer, LeakyReLU):
                x = np.where(x > 0, x, layer.slope * x)
            elif isinstance(layer, Tanh):
                x = np.tanh(x)
        return x, seen

    def backward(self, dy, seen):
        """dx, and the gradients by name."""
        g = {}
        for i, (layer, x) in reversed(list(enumerate(zip(self.layers, seen)))):
            if isinstance(layer, Dense):
                g[f"{i}.W"], g[f"{i}.b"] = x.T @ dy, dy.sum(0)
                dy = dy @ self.p[f"{i}.W"].T
            elif isinstance(layer, BatchNorm):
                std = np.sqrt(x.var(0) + 1e-5)
                xhat = (x - x.mean(0)) / std
                g[f"{i}.W"], g[f"{i}.b"] = (dy * xhat).sum(0), dy.sum(0)
                dxhat = dy * self.p[f"{i}.W"]
                dy = (dxhat - dxhat.mean(0) - xhat * (dxhat * xhat).mean(0)) / std
            elif isinstance(layer, LeakyReLU):
                dy = np.where(x > 0, dy, layer.slope * dy)
            elif isinstance(layer, Tanh):
                dy = dy * (1 - np.tanh(x) ** 2)
        return dy, g

    def adam(self, g):
        self.t += 1
        for name, grad in g.items():
            self.m[name] = BETA1 * self.m[name] + (1 - BETA1) * grad
            self.v[name] = 0.999 * self.v[name] + 0.001 * grad**2
            m_hat, v_hat = self.m[name] / (1 - BETA1**self.t), self.v[name] / (1 - 0.999**self.t)
            self.p[name] = self.p[name] - RATE * m_hat / (np.sqrt(v_hat) + 1e-8)


def probability(logits):
    return 1 / (1 + np.exp(-logits))


def cross_entropy(p, target):
    return np.mean(-target * np.log(p) - (1 - target) * np.log(1 - p))


def plain_step(G, D, real, noise, objective=RECIPE.objective):
    """One step with noise() for z; returns losses and outputs of D, and both gradients."""
    fake, _ = G.forward(noise())
    real_logits, real_seen = D.forward(real, tracks=True)
    fake_logits, fake_seen = D.forward(fake)
    p_real, p_fake, w, t = (
        probability(real_logits),
        probability(fake_logits),
        objective.weight,
        objective.real_target,
    )
    _, g_real = D.backward(w * (p_real - t) / len(real), real_seen)
    _, g_fake = D.backward(w * p_fake / len(real), fake_seen)
    d_gradient = {name: g_real[name] + g_fake[name] for name in g_real}
    D.adam(d_gradient)

    fake, g_seen = G.forward(noise(), tracks=True)
    logits, seen = D.forward(fake)
    p = probability(logits)
    dfake, _ = D.backward((p - 1) / len(real), seen)
    _, g_gradient = G.backward(dfake, g_seen)
    G.adam(g_gradient)
    values = (
        w * cross_entropy(p_real, t),
        w * cross_entropy(p_fake, 0),
        cross_entropy(p, 1),
        p_real.mean(),
        p_fake.mean(),
    )
    return values, g_gradient, d_gradient


def assert_equal_by_name(buffer, want, tolerance=1e-10):
    """The tolerance is of the largest: the gradient of a bias before batch norm is rounding."""
    assert set(dict(buffer.items())) == set(want)
    largest = max((np.abs(view).max() for view in want.values()), default=0)
    for name, view in buffer.items():
        assert np.abs(view - want[name]).max() <= tolerance * largest, name


# ---- tests


@pytest.mark.parametrize("g_batchnorm", [False, True])
@pytest.mark.parametrize("d_batchnorm", [False, True])
def test_three_steps_match_the_equations(g_batchnorm, d_batchnorm):
    step, log = make_step(mlp_generator(g_batchnorm), mlp_discriminator(d_batchnorm))
    G, D, stream = Plain(step.G), Plain(step.D), step.ops.stream(np.random.SeedSequence(3))
    images = np.random.default_rng(5).uniform(-1, 1, (3, N, PIXELS))
    for real in images:
        step.real_rows[...] = real
        row = log.next_row()
        step(row)
        values, g_gradient, d_gradient = plain_step(
            G, D, real, lambda: stream.normal_(np.empty((N, LATENT)))
        )
        assert np.allclose([value[0] for value in row.values()], [*values, 0], rtol=1e-11)
        assert_equal_by_name(step.D.parameters.grad, d_gradient)
        assert_equal_by_name(step.G.parameters.grad, g_gradient)
        # Adam enlarges the rounding of a zero gradient.
        assert_equal_by_name(step.D.parameters.value, D.p, 1e-8)
        assert_equal_by_name(step.G.parameters.value, G.p, 1e-8)
        assert_equal_by_name(step.D.parameters.statistics, D.running)
        assert_equal_by_name(step.G.parameters.statistics, G.running)


def test_batch_norm_in_d_separates_real_and_generated_images():
    assert make_step(mlp_generator(), mlp_discriminator())[0].one_pass
    assert not make_step(mlp_generator(), mlp_discriminator(batchnorm=True))[0].one_pass


def test_generator_update_leaves_every_byte_of_d():
    step, log = make_step(mlp_generator(), mlp_discriminator(batchnorm=True))
    row = log.next_row()
    step.update_discriminator(row)
    buffers = step.D.parameters.value, step.D.parameters.grad, step.D.parameters.statistics
    before = [b.flat.tobytes() for b in buffers]
    step.update_generator(row)
    assert [b.flat.tobytes() for b in buffers] == before
    assert any(before[1])


def test_discriminator_update_leaves_every_byte_of_g():
    step, log = make_step(mlp_generator(batchnorm=True), mlp_discriminator())
    step.G.parameters.grad.flat[...] = 7  # a backward pass into G would change it
    buffers = step.G.parameters.value, step.G.parameters.grad, step.G.parameters.statistics
    before = [b.flat.tobytes() for b in buffers]
    step.update_discriminator(log.next_row())
    assert [b.flat.tobytes() for b in buffers] == before


def test_running_statistics_move_once_a_step():
    step, log = make_step(mlp_generator(batchnorm=True), mlp_discriminator(batchnorm=True))
    step(log.next_row())
    G, D = step.G, step.D
    hidden = step.real_rows @ initial(D) + initial(D, "b")
    assert np.allclose(D[1].running_mean, 0.1 * hidden.mean(0), rtol=1e-12)
    assert np.allclose(D[1].running_var, 0.9 + 0.1 * hidden.var(0, ddof=1), rtol=1e-12)
    z = step.conditioning.noise  # of G's update
    hidden = z @ initial(G) + initial(G, "b")
    assert np.allclose(G[1].running_mean, 0.1 * hidden.mean(0), rtol=1e-12)


def initial(network, name="W"):
    """A parameter of the first layer before the step."""
    rebuilt = mlp_generator(True) if network[0].n_in == LATENT else mlp_discriminator(True)
    return getattr(
        rebuilt.build(seed=1 if network[0].n_in == LATENT else 2, dtype="float64")[0], name
    )


def test_noise_is_fresh_for_each_update_of_each_step():
    step, log = make_step(mlp_generator(), mlp_discriminator())
    drawn = []
    draw_inputs = step.conditioning.draw_inputs

    def recorded(stream):
        drawn.append(draw_inputs(stream).copy())
        return step.conditioning.inputs

    step.conditioning.draw_inputs = recorded
    for _ in range(3):
        step(log.next_row())
    assert len(drawn) == 6
    assert len(np.unique(drawn)) == 6 * N * LATENT


def test_d_is_trained_on_images_made_in_training_mode():
    G = Sequential(Dense(LATENT, 400), Dropout(0.5))
    step, log = make_step(G, Sequential(Dense(400, 1)))
    step.update_discriminator(log.next_row())
    assert 0.4 < np.mean(step.fake == 0) < 0.6


def test_dropout_in_d_treats_real_and_generated_images_alike():
    D = Sequential(Dropout(0.5), Dense(400, 1))
    step, log = make_step(Sequential(Dense(LATENT, 400)), D)
    step.update_discriminator(log.next_row())
    mask = step.d_cache.parts[0].mask
    assert mask.shape == (2 * N, 400)
    assert not np.array_equal(mask[:N], mask[N:])
    assert 0.4 < np.mean(mask[:N] == 0) < 0.6 and 0.4 < np.mean(mask[N:] == 0) < 0.6


def test_a_final_sigmoid_changes_no_bit():
    results = []
    for last in ((), (Sigmoid(),)):
        step, log = make_step(mlp_generator(), mlp_discriminator(last=last), dtype="float32")
        for _ in range(3):
            step(log.next_row())
        results.append(
            (
                step.G.parameters.value.flat.tobytes(),
                step.D.parameters.value.flat.tobytes(),
                log.read(),
            )
        )
    assert results[0] == results[1]


def test_a_confident_discriminator_still_teaches_the_generator():
    step, log = make_step(mlp_generator(), mlp_discriminator(last=[Sigmoid()]), dtype="float32")
    step.D[-1].b[...] = -200  # its sigmoid is 0 in float32
    step.update_generator(log.next_row())
    assert np.abs(step.G.parameters.grad["2.W"]).max() > 1e-3


def test_both_optimizers_have_the_recipes_settings():
    step, _ = make_step(mlp_generator(), mlp_discriminator())
    for optimizer in (step.g_optimizer, step.d_optimizer):
        assert (optimizer.beta1, optimizer.beta2, optimizer.learning_rate) == (BETA1, 0.999, RATE)
    assert step.g_optimizer.state["m"] is not step.d_optimizer.state["m"]


@pytest.mark.parametrize(
    "G, D, error, words",
    [
        (
            Sequential(Dense(LATENT, 9)),
            Sequential(Dense(PIXELS, 1)),
            ShapeError,
            "Dense 'D.0'.*(10,).*(9,)",
        ),
        (
            Sequential(Dense(LATENT + 1, PIXELS)),
            Sequential(Dense(PIXELS, 1)),
            ShapeError,
            "Dense 'G.0'.*(5,).*(4,)",
        ),
        (
            Sequential(Dense(LATENT, PIXELS)),
            Sequential(Dense(PIXELS, 2)),
            RunError,
            "one output per image.*(2,)",
        ),
        (
            Sequential(Dense(LATENT, PIXELS)),
            Sequential(Sequential(Dense(PIXELS, 1), Sigmoid())),
            RunError,
            "Sigmoid 'D.0.1'",
        ),
    ],
)
def test_networks_that_do_not_fit_are_named(G, D, error, words):
    with pytest.raises(error, match=words):
        make_step(G, D)


def test_networks_of_two_dtypes_are_named():
    G, D = (
        mlp_generator().build(seed=1, dtype="float64", name="G"),
        mlp_discriminator().build(seed=2, name="D"),
    )
    with pytest.raises(
        RunError, match="discriminator: expected float64, the generator's dtype, got float32"
    ):
        AdversarialStep(G, D, RECIPE, G.ops.stream(np.random.SeedSequence(3)))


def test_batch_norm_needs_more_than_one_image():
    G = Sequential(Dense(LATENT, PIXELS), BatchNorm(PIXELS)).build(seed=1, name="G")
    D = mlp_discriminator().build(seed=2, name="D")
    with pytest.raises(RunError, match="batch size: expected at least 2, .* got 1"):
        AdversarialStep(
            G, D, replace(RECIPE, batch_size=1), G.ops.stream(np.random.SeedSequence(3))
        )
