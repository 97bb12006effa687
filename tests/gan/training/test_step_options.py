"""Options of the step: objectives, penalties, packing, classes, moving average."""

from dataclasses import fields, replace

import numpy as np
import pytest

from gan.errors import RunError
from gan.objectives.objectives import (
    HingeLoss,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from gan.objectives.penalties import OneCentered, ZeroCentered
from gan.recipe import Recipe
from gan.recipes import RECIPES
from gan.training.trainer import Trainer
from nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from tests.gan.training.test_step import (
    LATENT,
    PIXELS,
    RECIPE,
    N,
    make_step,
    mlp_discriminator,
    mlp_generator,
)
from tests.support.small import BATCH, TINY, digits, held, trainer
from tests.support.strict import StrictOps


def smooth_discriminator():
    return Sequential(Dense(PIXELS, 5), Tanh(), Dense(5, 4), Sigmoid(), Dense(4, 1))


def penalty_value(step, weight_real, weight_fake, weight_between, e=None):
    """The penalty, from finite differences of D's logits."""

    def slopes(x):
        h, g = 1e-5, np.zeros_like(x)
        for i in range(x.shape[1]):
            move = np.zeros_like(x)
            move[:, i] = h
            up, down = (step.D(x + s)[:, 0] for s in (move, -move))
            g[:, i] = (up - down) / (2 * h)
        return g

    total = 0.0
    if weight_real:
        total += weight_real / 2 * np.mean(np.sum(slopes(step.real.copy()) ** 2, axis=1))
    if weight_fake:
        total += weight_fake / 2 * np.mean(np.sum(slopes(step.fake.copy()) ** 2, axis=1))
    if weight_between:
        between = step.fake + e * (step.real - step.fake)
        total += weight_between * np.mean((np.linalg.norm(slopes(between), axis=1) - 1) ** 2)
    return total


@pytest.mark.parametrize("D", [mlp_discriminator, smooth_discriminator], ids=["leaky", "smooth"])
@pytest.mark.parametrize(
    "penalty, weights",
    [
        (ZeroCentered(3.0, fake=False), (3.0, 0, 0)),
        (ZeroCentered(3.0, real=False), (0, 3.0, 0)),
        (ZeroCentered(3.0), (3.0, 3.0, 0)),
        (OneCentered(4.0), (0, 0, 4.0)),
    ],
    ids=["R1", "R2", "R1 and R2", "WGAN-GP"],
)
@pytest.mark.gradcheck
def test_a_penalty_adds_its_value_and_its_gradient(D, penalty, weights):
    step, log = make_step(mlp_generator(), D(), recipe=replace(RECIPE, penalty=penalty))
    step.fake[...] = np.random.default_rng(8).uniform(-1, 1, step.fake.shape)
    step.D.parameters.value.flat[...] *= 2
    step.D.forward(step.d_images, step.d_cache, train=True)
    state, value, grad = step.noise_stream.state, np.full(1, np.nan), step.D.parameters.grad.flat
    grad[...] = 0.25
    penalty.add(
        step.D,
        step.penalty.cache,
        real=step.d_real,
        fake=step.d_fake,
        class_onehot=step.conditioning.class_onehot,
        value=value,
        stream=step.noise_stream,
    )
    by_hand = grad - 0.25  # the penalty adds to what is there
    step.noise_stream.state = state
    e = step.noise_stream.uniform_(np.empty((N, 1)), 0.0, 1.0)
    assert np.isclose(value[0], penalty_value(step, *weights, e), rtol=1e-6)
    flat, h = step.D.parameters.value.flat, 1e-5
    direction = np.random.default_rng(9).standard_normal(flat.shape)
    here, at = flat.copy(), []
    for k in (-1, 1):
        flat[...] = here + k * h * direction
        at.append(penalty_value(step, *weights, e))
    assert np.isclose(np.sum(by_hand * direction), (at[1] - at[0]) / (2 * h), rtol=1e-4)


def test_lazy_penalty_is_due_every_n_steps_with_the_same_mean():
    values = {}
    for every in (1, 3):
        step, log = make_step(
            mlp_generator(),
            mlp_discriminator(),
            recipe=replace(RECIPE, penalty=ZeroCentered(2.0, every=every)),
        )
        step.d_optimizer.learning_rate = step.g_optimizer.learning_rate = 1e-12
        values[every] = []
        for number in range(6):
            row = log.next_row()
            step(row, number)
            values[every].append(row["penalty"][0])
    assert (
        np.all(np.array(values[1]) > 0) and [v > 0 for v in values[3]] == [True, False, False] * 2
    )
    assert np.isclose(values[3][0], 3 * values[1][0], rtol=1e-6)


@pytest.mark.parametrize(
    "layer", [BatchNorm(5), Sequential(Reshape((1, 1, 5)), MaxPool2d(1), Flatten())]
)
def test_penalty_needs_double_backward_in_every_layer(layer):
    D = Sequential(Dense(PIXELS, 5), layer, Dense(5, 1))
    with pytest.raises(
        RunError,
        match="penalty: expected .* layers all have double_backward, (BatchNorm|MaxPool2d)",
    ):
        make_step(mlp_generator(), D, recipe=replace(RECIPE, penalty=ZeroCentered(1.0)))


@pytest.mark.parametrize(
    "objective",
    [Minimax(), NonSaturating(), LeastSquares(), HingeLoss(), Wasserstein(), Relativistic()],
)
@pytest.mark.parametrize("batchnorm", [False, True])
def test_every_objective_moves_both_networks_by_its_gradient(objective, batchnorm):
    """Both gradients against finite differences, on the same images and noise."""
    recipe = replace(RECIPE, objective=objective, fresh_noise=False)
    step, log = make_step(mlp_generator(), mlp_discriminator(batchnorm), recipe=recipe)
    row = log.next_row()

    def d_loss():
        real, fake = (
            step.D.forward(x, step.D.cache(tracks_statistics=False), train=True)
            for x in (step.d_real, step.d_fake)
        )
        value = np.empty(2)
        objective.discriminator(
            real,
            fake,
            step.D.cache(),
            d_real=np.empty_like(real),
            d_fake=np.empty_like(fake),
            real_value=value[:1],
            fake_value=value[1:],
        )
        return value.sum()

    before = step.D.parameters.value.flat.copy()
    step.d_optimizer.step = lambda: None
    step.update_discriminator(row)
    grad, h = step.D.parameters.grad.flat.copy(), 1e-6
    direction, at = np.random.default_rng(1).standard_normal(grad.shape), []
    for k in (-1, 1):
        step.D.parameters.value.flat[...] = before + k * h * direction
        at.append(d_loss())
    step.D.parameters.value.flat[...] = before
    assert np.isclose(grad @ direction, (at[1] - at[0]) / (2 * h), rtol=1e-5, atol=1e-9)

    def g_loss():
        fake = step.G.forward(
            step.conditioning.inputs, step.G.cache(tracks_statistics=False), train=True
        )
        cache = step.D.cache(tracks_statistics=False)
        real = (
            {"real": step.D.forward(step.d_real, cache, train=True).copy()}
            if objective.pairs
            else {}
        )
        return objective.generator(step.D.forward(fake, cache, train=True), cache, **real)[0][0]

    before = step.G.parameters.value.flat.copy()
    step.g_optimizer.step = lambda: None
    step.update_generator(row)
    grad = step.G.parameters.grad.flat.copy()
    direction, at = np.random.default_rng(2).standard_normal(grad.shape), []
    for k in (-1, 1):
        step.G.parameters.value.flat[...] = before + k * h * direction
        at.append(g_loss())
    assert np.isclose(grad @ direction, (at[1] - at[0]) / (2 * h), rtol=1e-5, atol=1e-9)
    assert row["g_loss"][0] == pytest.approx(g_loss_at(step, before, g_loss))


def g_loss_at(step, value, g_loss):
    step.G.parameters.value.flat[...] = value
    return g_loss()


def test_without_fresh_noise_g_learns_from_the_images_of_ds_update():
    step, log = make_step(
        mlp_generator(), mlp_discriminator(), recipe=replace(RECIPE, fresh_noise=False)
    )
    drawn = []
    draw_inputs = step.conditioning.draw_inputs
    step.conditioning.draw_inputs = lambda stream: drawn.append(1) or draw_inputs(stream)
    step(log.next_row())
    assert len(drawn) == 1
    assert np.array_equal(step.frozen_cache.parts[0].x, step.fake)


# ---- packs


def conv_generator(c=1):
    return Sequential(
        Dense(LATENT, 3 * 16), Reshape((3, 4, 4)), ConvTranspose2d(3, c, 4, stride=2, padding=1)
    )


def conv_discriminator(c=1):
    return Sequential(Conv2d(c, 4, 3), LeakyReLU(0.2), Flatten(), Dense(4 * 36, 1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pack_stacks_images_as_channels_and_gives_each_its_gradient(channels):
    recipe = replace(RECIPE, pack=2, fresh_noise=False)
    step, log = make_step(conv_generator(channels), conv_discriminator(2 * channels), recipe=recipe)
    row = log.next_row()
    step.g_optimizer.step = step.d_optimizer.step = lambda: None
    step(row)
    # N real and N generated images, two at once
    assert step.d_images.shape == (N, 2 * channels, 8, 8)
    for i in range(N // 2):
        assert np.array_equal(step.d_real[i, :channels], step.real[2 * i])
        assert np.array_equal(step.d_fake[i, channels:], step.fake[2 * i + 1])
    grad, h = step.G.parameters.grad.flat.copy(), 1e-7
    before, at = step.G.parameters.value.flat.copy(), []
    direction = np.random.default_rng(2).standard_normal(grad.shape)
    for k in (-1, 1):
        step.G.parameters.value.flat[...] = before + k * h * direction
        fake = np.ascontiguousarray(step.G(step.conditioning.inputs)).reshape(
            N // 2, 2 * channels, 8, 8
        )
        at.append(np.mean(np.log1p(np.exp(-step.D(fake)))))
    assert np.isclose(grad @ direction, (at[1] - at[0]) / (2 * h), rtol=1e-5)


def test_a_pack_of_flat_images_is_a_longer_row():
    step, log = make_step(
        mlp_generator(), Sequential(Dense(2 * PIXELS, 1)), recipe=replace(RECIPE, pack=2)
    )
    step(log.next_row())
    assert np.array_equal(step.d_real[1], np.concatenate([step.real[2], step.real[3]]))


def test_batch_size_must_be_a_multiple_of_the_pack():
    with pytest.raises(
        RunError,
        match="batch size: expected a multiple of 4, .* that D scores at once, got 6",
    ):
        make_step(mlp_generator(), Sequential(Dense(4 * PIXELS, 1)), recipe=replace(RECIPE, pack=4))


def test_packing_with_classes_is_refused():
    with pytest.raises(RunError, match="expected pack=1 with classes, got 2"):
        class_step(pack=2)


# ---- classes

K = 3
CLASS_RECIPE = replace(RECIPE, classes=K, objective=NonSaturating())


def class_step(**changes):
    G = Sequential(Dense(LATENT + K, 7), LeakyReLU(0.2), Dense(7, PIXELS), Tanh())
    D = Sequential(Dense(PIXELS, 5), LeakyReLU(0.2), Dense(5, K))
    step, log = make_step(G, D, recipe=replace(CLASS_RECIPE, **changes))
    step.conditioning.labels[...] = np.eye(K)[np.arange(N) % K]
    return step, log


def test_class_is_appended_to_the_noise_and_selects_ds_output():
    step, log = class_step(fresh_noise=False)
    step.g_optimizer.step = step.d_optimizer.step = lambda: None
    row, classes = log.next_row(), np.arange(N) % K
    step(row)
    assert np.array_equal(step.conditioning.inputs[:, LATENT:], np.eye(K)[classes])
    assert np.array_equal(step.conditioning.inputs[:, :LATENT], step.conditioning.noise)
    real, fake = (step.D(x)[np.arange(N), classes] for x in (step.real, step.fake))
    assert np.isclose(row["d_loss_real"][0], np.mean(np.log1p(np.exp(-real))), rtol=1e-12)
    assert np.isclose(row["d_loss_fake"][0], np.mean(np.log1p(np.exp(fake))), rtol=1e-12)
    assert np.isclose(row["g_loss"][0], np.mean(np.log1p(np.exp(-fake))), rtol=1e-12)
    for net, loss in (
        (
            step.D,
            lambda: sum(
                np.mean(np.log1p(np.exp(s * step.D(x)[np.arange(N), classes])))
                for s, x in ((-1, step.real), (1, step.fake))
            ),
        ),
        (
            step.G,
            lambda: np.mean(
                np.log1p(np.exp(-step.D(step.G(step.conditioning.inputs))[np.arange(N), classes]))
            ),
        ),
    ):
        grad, before, at = net.parameters.grad.flat.copy(), net.parameters.value.flat.copy(), []
        direction = np.random.default_rng(2).standard_normal(grad.shape)
        for k in (-1, 1):
            net.parameters.value.flat[...] = before + k * 1e-6 * direction
            at.append(loss())
        net.parameters.value.flat[...] = before
        assert np.isclose(grad @ direction, (at[1] - at[0]) / 2e-6, rtol=1e-5)


def test_penalty_applies_to_the_slope_of_the_selected_output():
    step, log = class_step(penalty=ZeroCentered(2.0, fake=False))
    step.g_optimizer.step = step.d_optimizer.step = lambda: None
    row = log.next_row()
    step(row)
    signal = np.eye(K)[np.arange(N) % K] @ step.D[2].W.T
    hidden = step.real @ step.D[0].W + step.D[0].b
    g = (signal * np.where(hidden > 0, 1, 0.2)) @ step.D[0].W.T
    assert np.isclose(row["penalty"][0], np.mean(np.sum(g**2, axis=1)), rtol=1e-12)


def tiny_classes(**changes):
    return replace(
        TINY,
        make_generator=lambda n_in: Sequential(
            Dense(n_in, 6), LeakyReLU(0.2), Dense(6, 784), Tanh()
        ),
        make_discriminator=lambda n_out: Sequential(
            Dense(784, 5), LeakyReLU(0.2), Dropout(0.3), Dense(5, n_out)
        ),
        classes=10,
        **changes,
    )


def test_a_trainer_gathers_each_images_class():
    images, labels = digits(), np.arange(len(digits())) % 10
    t = Trainer(tiny_classes(), images, labels)
    for _ in range(7):
        t.step()
        first_pixel = np.rint((t.adversarial_step.real_rows[:, 0] + 1) * 127.5)
        number = first_pixel.astype(int)  # of the image; see `digits`
        assert np.array_equal(t.adversarial_step.conditioning.labels, np.eye(10)[labels[number]])
    assert t.fixed_samples().shape == (100, 784)
    assert np.array_equal(t.fixed_inputs[:, 4:].argmax(axis=1), np.tile(np.arange(10), 10))


@pytest.mark.parametrize(
    "labels, words",
    [
        (None, "expected an integer for each of 43 images, .* got none"),
        (np.zeros(42, int), "got int64 \\(42,\\)"),
        (np.zeros(43), "got float64"),
        (np.full(43, 10), "expected classes in 0..9, got 10..10"),
        (np.full(43, -1), "got -1..-1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, words):
    with pytest.raises(RunError, match=f"labels: .*{words}"):
        Trainer(tiny_classes(), digits(), labels)


def test_discriminator_with_too_few_outputs_is_refused():
    with pytest.raises(
        RunError,
        match="discriminator: expected 3 outputs per image, one for each class, got shape \\(1,\\)",
    ):
        make_step(Sequential(Dense(LATENT + K, PIXELS)), mlp_discriminator(), recipe=CLASS_RECIPE)


# ---- the average

AVERAGED = replace(
    TINY,
    make_generator=lambda n_in: Sequential(
        Dense(n_in, 6), BatchNorm(6), ReLU(), Dense(6, 784), Tanh()
    ),
    ema_decay=0.9,
    learning_rate=0.05,
)


def test_the_moving_average_follows_weights_and_statistics():
    t = trainer(AVERAGED)
    assert t.generator_ema is not t.generator and held(t.generator_ema) == held(t.generator)
    parts = t.generator.parameters.value, t.generator.parameters.statistics
    want = [part.flat.copy() for part in parts]
    for number in range(200):
        t.step()
        weight = max(0.1, 10 / (10 + number))
        for w, b in zip(want, parts):
            w += weight * (b.flat - w)
    average = t.ema.network.parameters
    for w, b in zip(want, (average.value, average.statistics)):
        assert np.allclose(b.flat, w, rtol=1e-4, atol=1e-6)
    assert held(t.generator_ema) != held(t.generator)
    assert np.allclose(t.fixed_samples(), (t.generator_ema(t.fixed_inputs) + 1) / 2, atol=1e-6)


def test_generator_ema_has_the_statistics_of_its_own_weights():
    t = trainer(AVERAGED)
    t.fit(steps=30)
    averaged = t.ema.network.parameters.statistics.flat.copy()
    G = t.generator_ema
    assert np.abs(G.parameters.statistics.flat - averaged).max() > 1e-3
    _, batchnorm = G.layers[:2]
    before = G.layers[0](t.sampler.inputs(20_000, 3))
    assert np.allclose(batchnorm.running_mean, before.mean(axis=0), atol=0.2 * before.std())
    assert np.allclose(batchnorm.running_var, before.var(axis=0), rtol=0.5)
    settled = held(G)
    assert held(t.sampler.generator) == settled  # once per step, the same each time
    t.step()
    assert held(t.generator_ema) != settled


def test_settled_statistics_do_not_depend_on_when_they_were_read():
    seldom, often = trainer(AVERAGED), trainer(AVERAGED)
    for _ in range(25):
        seldom.step()
        often.step()
        often.fixed_samples()
    state = seldom.state_dict()
    again = trainer(AVERAGED)
    again.load_state_dict(state)
    assert held(again.generator_ema) == held(seldom.generator_ema) == held(often.generator_ema)
    assert held(often.generator) == held(seldom.generator)


def test_without_ema_decay_generator_ema_is_the_generator():
    t = trainer()
    assert t.generator_ema is t.generator


def test_ema_does_not_change_training():
    plain, averaged = trainer(replace(AVERAGED, ema_decay=None)), trainer(AVERAGED)
    plain.fit(steps=20), averaged.fit(steps=20)
    assert held(plain.generator, plain.discriminator) == held(
        averaged.generator, averaged.discriminator
    )


# ---- on a device


def everything():
    """All options that combine with classes."""
    return replace(
        tiny_classes(
            objective=Relativistic(),
            penalty=ZeroCentered(0.5, every=2),
            ema_decay=0.9,
            fresh_noise=False,
            beta1=0.0,
            beta2=0.99,
        ),
        make_generator=lambda n_in: Sequential(
            Dense(n_in, 2 * 49),
            Reshape((2, 7, 7)),
            BatchNorm(2),
            LeakyReLU(0.2),
            ConvTranspose2d(2, 1, 4, stride=4),
            Tanh(),
        ),
        make_discriminator=lambda n_out: Sequential(
            Conv2d(1, 2, 4, stride=4), LeakyReLU(0.2), Flatten(), Dense(2 * 49, n_out)
        ),
    )


def packed():
    return replace(
        everything(),
        classes=0,
        pack=2,
        objective=Wasserstein(),
        penalty=OneCentered(every=2),
        latent=TINY.latent,
        make_generator=lambda n_in: Sequential(
            Dense(n_in, 49), Reshape((1, 7, 7)), ConvTranspose2d(1, 1, 4, stride=4), Tanh()
        ),
        make_discriminator=lambda n_out: Sequential(
            Conv2d(2, 2, 4, stride=4), Tanh(), Flatten(), Dense(2 * 49, n_out)
        ),
    )


@pytest.mark.parametrize("recipe", [everything, packed])
def test_a_step_neither_reads_nor_allocates_once_warm_and_gives_the_same_numbers(recipe):
    ops, labels = StrictOps(), np.arange(len(digits())) % 10
    there, here = (Trainer(recipe(), digits(), labels, device=device) for device in (ops, "numpy"))
    for t in (there, here):
        for _ in range(3):
            t.step()
    ops.freeze()
    for t in (there, here):
        for _ in range(2):
            t.step()
    ops.thaw()
    for net in ("generator", "discriminator", "generator_ema"):
        got, want = (
            ops.to_host(getattr(there, net).parameters.value.flat),
            getattr(here, net).parameters.value.flat,
        )
        assert np.array_equal(got, want), net


@pytest.mark.parametrize("recipe", [everything, packed])
def test_emulated_cuda_backend_trains_the_same(recipe, emulated_cupy_ops):
    labels = np.arange(len(digits())) % 10
    ops = emulated_cupy_ops.CudaOps()
    there, here = (Trainer(recipe(), digits(), labels, device=device) for device in (ops, "numpy"))
    for t in (there, here):  # the streams of the devices differ: both get the same numbers
        t.adversarial_step.conditioning.latent = NormalLatent(4)
        t.adversarial_step.noise_stream = HostNoise(ops if t is there else here.ops)
        t.batches.stream = KeepsOrder()
        for _ in range(4):
            t.step()
    for net in ("generator", "discriminator", "generator_ema"):
        got, want = (
            ops.to_host(getattr(there, net).parameters.value.flat),
            getattr(here, net).parameters.value.flat,
        )
        assert np.allclose(got, want, rtol=2e-3, atol=2e-4), net


class KeepsOrder:
    def shuffle_(self, index):
        return index


class HostNoise:
    """Draws the same numbers on every device."""

    def __init__(self, ops):
        self.ops, self.rng = ops, np.random.default_rng(5)

    def normal_(self, out):
        self.ops.copy_(out, self.ops.asarray(self.rng.standard_normal(out.shape).astype(out.dtype)))
        return out

    def uniform_(self, out, low, high):
        self.ops.copy_(
            out, self.ops.asarray(self.rng.uniform(low, high, out.shape).astype(out.dtype))
        )
        return out


class NormalLatent:
    def __init__(self, size):
        self.size = size

    def draw_(self, out, stream):
        return stream.normal_(out)


def test_recipes_that_follow_projects_use_none_of_these_options():
    plain = {f.name: f.default for f in fields(Recipe)}
    for name in ("mlp-dropout", "dcgan", "two-layer", "mlp-batchnorm", "mlp-leaky"):
        for option in ("penalty", "ema_decay", "pack", "classes", "fresh_noise", "beta2"):
            assert getattr(RECIPES[name], option) == plain[option], (name, option)
    assert BATCH == TINY.batch_size
