"""A recipe's training step in JAX, as one program."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array, lax
from jax import numpy as jnp

from benchmarks.harness.jax.losses import check_supported, d_losses, g_loss, slope_penalty
from benchmarks.harness.jax.networks import (
    Network,
    channels_first,
    channels_last,
    parameters_of,
    statistics_of,
)
from gan.objectives.penalties import ZeroCentered
from gan.recipes import Recipe
from gan.training.checks import has_batchnorm, without_sigmoid
from gan.training.step.ema import WARMUP
from gan.training.step.packing import packed_shape
from nn import Sequential

EPS = 1e-8  # of our Adam

State = dict[str, Any]
Log = dict[str, Array]


class Step:
    """A call is one step: one program with donated state, whose result is waited for.

    The program holds the order of the images, the gathering of a batch and its conversion to
    floats, noise, both updates with Adam, running statistics, the moving average, and the losses
    and mean outputs of D that ours records. `unsafe_rbg` draws the random numbers. JAX computes
    with a thread pool of its own, one thread for each core; nothing is set.

    Steps in which a lazy penalty is due are a second program. With a `lax.cond` in one program, the
    convolutions inside it, due or not, take many times as long on the CPU.

    Real and generated images pass through D together where D has no batch norm, and the pass that
    makes D's images is G's too where the recipe reuses them.

    Parameters
    ----------
    recipe : one of the registry, or with settings that `check_supported` accepts
    images : uint8 (N, C, H, W), or (N, H, W) for one channel; they are kept on the device as uint8
    generator, discriminator : built networks, for other weights than those of seeds 0 and 1
    """

    def __init__(
        self,
        recipe: Recipe,
        images: np.ndarray,
        generator: Sequential | None = None,
        discriminator: Sequential | None = None,
    ) -> None:
        jax.config.update("jax_platforms", "cpu")
        check_supported(recipe)
        G, D = generator or recipe.generator().build(0), discriminator
        D = without_sigmoid(D or recipe.discriminator().build(1))
        self.recipe, self.n = recipe, recipe.batch_size
        self.per_epoch = len(images) // self.n
        self.image_shape = G.output_shape((recipe.n_in,))
        self.G = Network(G, (recipe.n_in,))
        self.D = Network(D, packed_shape(self.image_shape, recipe.pack))
        self.one_pass = not has_batchnorm(D)
        pixels = images.reshape(len(images), *self.image_shape)
        labels = np.arange(len(images)) % max(recipe.num_classes, 1)
        self.data = jnp.array(pixels.reshape(len(images), -1)), jnp.array(labels)
        self.state = self.initial_state(G, D, len(images))
        self.count = 0  # of steps
        self.program = jax.jit(self.step, donate_argnums=0, static_argnums=2)

    def __call__(self) -> Log:
        """One update of D and one of G; returns their losses."""
        due = self.penalty_is_due(self.count)
        self.state, log = self.program(self.state, self.data, due)
        jax.block_until_ready(log)
        self.count += 1
        return log

    def penalty_is_due(self, count: int) -> bool:
        """Whether a step, counted from 0, has the penalty."""
        penalty = self.recipe.penalty
        return penalty is not None and count % penalty.every == 0

    def initial_state(self, G: Sequential, D: Sequential, n_images: int) -> State:
        """Every array that a step changes, in memory of its own."""
        key = jax.random.key(0, impl="unsafe_rbg")
        state = {"step": jnp.int32(0), "key": key, "order": jnp.arange(n_images)}
        for name, network in (("G", G), ("D", D)):
            state[name] = {"value": parameters_of(network), "statistics": statistics_of(network)}
            state[name]["m"], state[name]["v"] = (
                jax.tree.map(jnp.zeros_like, state[name]["value"]) for _ in "mv"
            )
        if self.recipe.ema_decay:
            state["ema"] = {"value": parameters_of(G), "statistics": statistics_of(G)}
        return state

    # ---- the program

    def step(self, state: State, data: tuple[Array, Array], penalty_due: bool) -> tuple[State, Log]:
        """Draw what a step needs, and do it."""
        key, order_key, d_key, g_key, noise_key, dropout_key = jax.random.split(state["key"], 6)
        place = state["step"] % self.per_epoch
        order = lax.cond(
            place == 0,
            lambda order: jax.random.permutation(order_key, order),
            lambda order: order,
            state["order"],
        )
        index = lax.dynamic_slice(order, (place * self.n,), (self.n,))
        images, labels = (array[index] for array in data)
        low, high = self.recipe.image_range
        real = images.astype(jnp.float32) * ((high - low) / 255) + low
        noise = [self.noise(k) for k in (d_key, g_key)]
        state = {**state, "key": key, "order": order}
        return self.update(state, real, labels, noise, dropout_key, penalty_due)

    def noise(self, key: Array) -> Array:
        """z, (n, size of the latent)."""
        shape = self.n, self.recipe.latent.size
        if self.recipe.latent.distribution == "normal":
            return jax.random.normal(key, shape)
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    def update(
        self,
        state: State,
        real: Array,
        labels: Array,
        noise: list[Array],
        key: Array,
        penalty_due: bool,
    ) -> tuple[State, Log]:
        """Update D, then G, then the moving average.

        Parameters
        ----------
        real : training images, (n, pixels), channels first
        labels : their classes or clusters, (n,)
        noise : z of D's update and of G's
        key : for dropout
        penalty_due : whether D's loss has the penalty
        """
        recipe, count = self.recipe, state["step"]
        fake_key, d_key, g_key, frozen_key = jax.random.split(key, 4)
        real = channels_last(real.reshape(self.n, *self.image_shape))
        G, D = state["G"], state["D"]
        if recipe.num_classes:
            onehot = jax.nn.one_hot(labels, recipe.num_classes)
            onehot = jnp.tile(onehot, (1, recipe.clusters_per_image))
            noise = [jnp.concatenate([z, onehot], 1) for z in noise]
            toward = jnp.concatenate([onehot, onehot])
        else:
            toward = jnp.ones((2 * self.n // recipe.pack, 1))

        def generate(parameters: Any, z: Array, key: Array) -> tuple[Array, Any]:
            return self.G(z, parameters, G["statistics"], key)

        if recipe.fresh_noise:
            fake, _ = generate(G["value"], noise[0], fake_key)
        else:
            fake, pullback, g_statistics = jax.vjp(
                lambda parameters: generate(parameters, noise[0], fake_key),
                G["value"],
                has_aux=True,
            )
        grad, (d_statistics, log) = jax.grad(self.d_loss, has_aux=True)(
            D["value"], D["statistics"], real, fake, toward, d_key, penalty_due
        )
        D = self.adam(D, grad, count, recipe.d_learning_rate)
        D["statistics"] = d_statistics
        if recipe.fresh_noise:
            fake, pullback, g_statistics = jax.vjp(
                lambda parameters: generate(parameters, noise[1], g_key),
                G["value"],
                has_aux=True,
            )
        log["g_loss"], dfake = self.through_d(D, real, fake, toward, frozen_key)
        (grad,) = pullback(dfake)
        G = self.adam(G, grad, count, recipe.g_learning_rate)
        G["statistics"] = g_statistics

        after = {**state, "G": G, "D": D, "step": count + 1}
        if recipe.ema_decay:
            weight = jnp.maximum(1 - recipe.ema_decay, WARMUP / (WARMUP + count))
            after["ema"] = {
                part: jax.tree.map(lambda e, w: e + weight * (w - e), average, G[part])
                for part, average in state["ema"].items()
            }
        return after, log

    def d_loss(
        self,
        parameters: Any,
        statistics: Any,
        real: Array,
        fake: Array,
        toward: Array,
        key: Array,
        penalty_due: bool,
    ) -> tuple[Array, tuple[Any, Log]]:
        """D's loss, its running statistics, and what a step records."""
        half = len(toward) // 2
        score = partial(self.score, parameters, statistics)
        penalty = jnp.float32(0)
        if self.one_pass:
            images = jnp.concatenate([real, fake])
            score = partial(score, toward=toward, key=key)
            if penalty_due:
                logits, pullback, statistics = jax.vjp(score, images, has_aux=True)
                (slope,) = pullback(jnp.ones_like(logits))
                assert isinstance(self.recipe.penalty, ZeroCentered)
                penalty = slope_penalty(self.recipe.penalty, slope, half)
            else:
                logits, statistics = score(images)
            d_real, d_fake = logits[:half], logits[half:]
        else:
            assert not penalty_due  # batch norm rules it out
            keys = jax.random.split(key)
            d_real, statistics = score(real, toward[:half], keys[0])
            d_fake, _ = score(fake, toward[half:], keys[1])
        parts = d_losses(self.recipe.objective, d_real, d_fake)
        log = {
            "d_loss_real": parts[0],
            "d_loss_fake": parts[1],
            "penalty": penalty,
            "d_real": jax.nn.sigmoid(d_real).mean(),
            "d_fake": jax.nn.sigmoid(d_fake).mean(),
        }
        return sum(parts) + penalty, (statistics, log)

    def through_d(
        self, D: State, real: Array, fake: Array, toward: Array, key: Array
    ) -> tuple[Array, Array]:
        """G's loss by the updated D, and its gradient by the generated images."""
        half, keys = len(toward) // 2, jax.random.split(key)
        score, real_logits = partial(self.score, D["value"], D["statistics"]), None
        if self.recipe.objective.pairs:
            real_logits, _ = score(real, toward[:half], keys[0])

        def loss(fake: Array) -> Array:
            logits, _ = score(fake, toward[half:], keys[1])
            return g_loss(self.recipe.objective, real_logits, logits)

        return jax.value_and_grad(loss)(fake)

    def score(
        self, parameters: Any, statistics: Any, images: Array, toward: Array, key: Array
    ) -> tuple[Array, Any]:
        """D's logits, (rows, 1), each the output of the image's class, and running statistics."""
        pack = self.recipe.pack
        if pack > 1:  # consecutive images as channels of one
            shape = packed_shape(self.image_shape, pack)
            images = channels_last(channels_first(images).reshape(-1, *shape))
        outputs, statistics = self.D(images, parameters, statistics, key)
        return (outputs * toward).sum(1, keepdims=True), statistics

    def adam(self, network: State, grad: Any, count: Array, own_rate: float | None) -> State:
        """The network after Adam's step, counted from 0."""
        recipe, t = self.recipe, count + 1
        beta1, beta2 = recipe.beta1, recipe.beta2
        # 1 - beta^t, without the rounding of beta^t
        correction1, correction2 = (-jnp.expm1(t * np.log(beta)) for beta in (beta1, beta2))
        rate = (recipe.learning_rate if own_rate is None else own_rate) / correction1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, network["m"], grad)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, network["v"], grad)
        value = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v / correction2) + EPS),
            network["value"],
            m,
            v,
        )
        return {**network, "value": value, "m": m, "v": v}
