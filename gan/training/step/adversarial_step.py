"""One training step of a generative adversarial network: D's update, then G's."""

from __future__ import annotations

from typing import Any

from gan.recipe import Recipe
from gan.training.checks import check_networks, has_batchnorm, without_sigmoid
from gan.training.recording.loss_means import NORMS
from gan.training.step.conditioning import make_conditioning
from gan.training.step.ema import GeneratorEMA
from gan.training.step.lazy_penalty import LazyPenalty
from gan.training.step.learning_rates import LearningRates
from gan.training.step.packing import pack_images
from gan.uncopyable import Uncopyable
from nn import Adam, Sequential
from nn.cache import Cache
from nn.ops.base import Array
from nn.processes.single import SINGLE, Processes
from nn.underflow import quiet

BOTH = slice(None)  # rows of real and of generated images


class AdversarialStep(Uncopyable):
    """G and D with everything that one update of each needs; a call is one step.

    Parameters
    ----------
    generator, discriminator : built networks on one device
    recipe : its objective, penalty, optimizer settings and batch size are used
    noise_stream : random stream for z
    ema : the moving average that follows the generator, or None
    processes : those that train together; gradients are averaged over them

    Attributes
    ----------
    real_rows : the batch of training images goes here, (n, pixels)
    conditioning : its `labels` take the one-hot classes of that batch
    rates : the learning rates of both networks

    Raises
    ------
    RunError : the networks do not fit each other or the recipe
    ShapeError : raised by the layer that cannot take its input
    """

    def __init__(
        self,
        generator: Sequential,
        discriminator: Sequential,
        recipe: Recipe,
        noise_stream: Any,
        ema: GeneratorEMA | None = None,
        processes: Processes = SINGLE,
    ) -> None:
        check_networks(generator, discriminator, recipe)
        self.ops, self.recipe = generator.ops, recipe
        self.noise_stream, self.ema, self.processes = noise_stream, ema, processes
        self.d_grad, self.g_grad = (
            network.parameters.grad.flat for network in (discriminator, generator)
        )
        # The losses take over a final Sigmoid: on logits, a confident mistake keeps its gradient.
        self.G, self.D = generator, without_sigmoid(discriminator)
        adam: dict[str, Any] = {"beta1": recipe.beta1, "beta2": recipe.beta2}
        adam |= {"clip_norm": recipe.clip_norm, "clip_value": recipe.clip_value}
        adam["weight_decay"] = recipe.weight_decay
        self.g_optimizer = Adam(generator, recipe.learning_rate, **adam)
        self.d_optimizer = Adam(discriminator, recipe.learning_rate, **adam)
        self.rates = LearningRates(recipe, self.g_optimizer, self.d_optimizer)
        # Without batch norm, images do not affect each other: D scores both in one pass.
        self.one_pass = not has_batchnorm(discriminator)
        self.conditioning = make_conditioning(recipe, self.ops, generator.dtype)
        self._make_images(generator.output_shape((recipe.n_in,)))
        self._make_caches()
        self.penalty = None
        if recipe.penalty is not None:
            self.penalty = LazyPenalty(recipe.penalty, self.D, self.d_cache)

    def _make_images(self, image_shape: tuple[int, ...]) -> None:
        """The images of a step in one array, real before generated, and D's packs of them."""
        n, ops, dtype = self.recipe.batch_size, self.ops, self.G.dtype
        self.images = ops.empty((2 * n, *image_shape), dtype)
        self.real, self.fake = self.images[:n], self.images[n:]
        self.real_rows = self.real.reshape(n, -1)
        self.d_images = pack_images(self.images, self.recipe.pack)
        k = n // self.recipe.pack
        self.real_half, self.fake_half = slice(k), slice(k, None)  # rows of d_images and of logits
        self.d_real, self.d_fake = self.d_images[:k], self.d_images[k:]
        self.dlogits = ops.empty((2 * k, 1), dtype)

    def _make_caches(self) -> None:
        """Running statistics follow one pass of each network per step, in g_cache and d_cache."""
        G, D = self.G, self.D
        self.g_cache, self.g_fake_cache = G.cache(), G.cache(tracks_statistics=False)
        for cache in (self.g_cache, self.g_fake_cache):  # G's last layer writes where D reads
            cache.write_output_to(self.fake)
        self.d_cache = D.cache(double_backward=self.recipe.penalty is not None)
        self.d_fake_cache = D.cache(tracks_statistics=False)
        self.frozen_cache = D.cache(tracks_statistics=False)
        self.pair_cache = D.cache(tracks_statistics=False)

    @quiet
    def __call__(self, log: dict[str, Array], step_number: int = 0) -> None:
        """One step on the images in `real_rows` and, with classes, `conditioning.labels`.

        Parameters
        ----------
        log : arrays (1,) that losses and outputs of D are written into; see `LossLog`
        step_number : counted from 0; decides the learning rates, when a lazy penalty is due, and
            when G is updated: in the last of every `n_critic` steps
        """
        self.begin(step_number)
        self.compute(log, step_number)
        self.finish(step_number)

    def begin(self, step_number: int) -> None:
        """What the host computes before the step."""
        self.rates.begin_step(step_number)

    def compute(self, log: dict[str, Array], step_number: int) -> None:
        """What the device computes: the same in all steps with the same penalty and updates."""
        self.conditioning.begin_step()
        self.update_discriminator(log, step_number)
        if self.updates_generator(step_number):
            self.update_generator(log)
        self.log_norms(log)

    def log_norms(self, log: dict[str, Array]) -> None:
        """Copy the norms of the gradients in the last update of each network, on the device."""
        for name, optimizer in zip(NORMS, (self.d_optimizer, self.g_optimizer)):
            if name in log and optimizer.grad_norm is not None:
                self.ops.copy_(log[name], optimizer.grad_norm)

    def finish(self, step_number: int) -> None:
        """The moving average, whose weight depends on the step."""
        if self.ema is not None and self.updates_generator(step_number):
            self.ema.update(step_number // self.recipe.n_critic)

    def updates_generator(self, step_number: int) -> bool:
        """Whether G learns in this step."""
        return (step_number + 1) % self.recipe.n_critic == 0

    def has_penalty(self, step_number: int) -> bool:
        """Whether the penalty is due in this step."""
        return self.penalty is not None and self.penalty.is_due(step_number)

    def update_discriminator(self, log: dict[str, Array], step_number: int = 0) -> None:
        """D learns to tell real images from generated ones."""
        D, real, fake = self.D, self.real_half, self.fake_half
        self.generate(self.g_fake_cache if self.recipe.fresh_noise else self.g_cache)
        if self.one_pass:
            logits = self.score(BOTH, self.d_cache)
            self.discriminator_loss(logits[real], logits[fake], log)
            D.backward(self.doutputs(BOTH), self.d_cache, grads="write", need_dx=False)
        else:
            real_logits = self.score(real, self.d_cache)
            fake_logits = self.score(fake, self.d_fake_cache)
            self.discriminator_loss(real_logits, fake_logits, log)
            D.backward(self.doutputs(real), self.d_cache, grads="write", need_dx=False)
            D.backward(self.doutputs(fake), self.d_fake_cache, grads="add", need_dx=False)
        if self.penalty is not None:
            self.penalty.add(
                step_number,
                real=self.d_real,
                fake=self.d_fake,
                class_onehot=self.conditioning.class_onehot,
                value=log["penalty"],
                stream=self.noise_stream,
            )
        self.processes.allreduce_mean_(self.d_grad, self.ops)
        self.d_optimizer.step()

    def update_generator(self, log: dict[str, Array]) -> None:
        """G learns to make D score its images as real: the gradient passes the frozen D."""
        D, fake = self.D, self.fake_half
        if self.recipe.fresh_noise:
            self.generate(self.g_cache)
        logits = self.score(fake, self.frozen_cache)  # of the updated D
        pairs = self.recipe.objective.pairs
        real = self.score(self.real_half, self.pair_cache) if pairs else None
        self.generator_loss(logits, real, log["g_loss"])
        dfake = D.backward(self.doutputs(fake), self.frozen_cache, grads="skip")
        dfake = self.frozen_cache.contiguous("dfake", dfake).reshape(self.fake.shape)
        self.G.backward(dfake, self.g_cache, grads="write", need_dx=False)
        self.processes.allreduce_mean_(self.g_grad, self.ops)
        self.g_optimizer.step()

    def generate(self, cache: Cache) -> None:
        """Write G's images of new noise into `fake`, where D reads them."""
        inputs = self.conditioning.draw_inputs(self.noise_stream)
        images = self.G.forward(inputs, cache, train=True)
        if images is not self.fake:  # not every layer writes into a buffer of the cache
            self.ops.copy_(self.fake, images)

    def score(self, rows: slice, cache: Cache) -> Array:
        """D's logits of these rows of its images, (rows, 1)."""
        outputs = self.D.forward(self.d_images[rows], cache, train=True)
        return self.conditioning.logits(outputs, rows)

    def doutputs(self, rows: slice) -> Array:
        """The gradients of D's outputs, from those of the logits of these rows."""
        return self.conditioning.backward(self.dlogits[rows], rows)

    def discriminator_loss(self, real: Array, fake: Array, log: dict[str, Array]) -> None:
        """Write D's losses and mean outputs into the log, and the gradients of its logits.

        With `n_critic`, G's loss too: steps without an update of G have no other.
        """
        if self.recipe.n_critic > 1:
            self.generator_loss(fake, real, log["g_loss"])
        self.recipe.objective.discriminator(
            real,
            fake,
            self.d_cache,
            d_real=self.dlogits[self.real_half],
            d_fake=self.dlogits[self.fake_half],
            real_value=log["d_loss_real"],
            fake_value=log["d_loss_fake"],
        )
        self.ops.mean_sigmoid(real, out=log["d_real"])
        self.ops.mean_sigmoid(fake, out=log["d_fake"])

    def generator_loss(self, fake: Array, real: Array | None, value: Array) -> None:
        """Write G's loss into `value`, and the gradients of the logits of generated images.

        `real`, the logits of training images, is used by objectives of pairs alone.
        """
        objective, out = self.recipe.objective, {"dy": self.dlogits[self.fake_half], "value": value}
        if objective.pairs:
            out["real"] = real
        objective.generator(fake, self.frozen_cache, **out)
