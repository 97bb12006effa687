"""The trainer: a generator and a discriminator learn from images by a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import inf
from operator import attrgetter
from typing import Any

import numpy as np

from gan.data.batches import BatchSource, make_batches
from gan.data.clusters import cluster_ids
from gan.errors import RunError
from gan.recipes import Recipe
from gan.sampling import make_images
from gan.training.batch_that_fits import memory_error
from gan.training.callback import Callback, check_callbacks
from gan.training.checks import check_learning_rate, check_length, check_recipe
from gan.training.ema import GeneratorEMA
from gan.training.loss_log import LossLog
from gan.training.setup import built_network, fixed_inputs, make_sampler
from gan.training.snapshot import Snapshot
from gan.training.state import TrainerState, learned_arrays, read_state, write_state
from gan.training.step import AdversarialStep
from gan.training.stopwatch import Stopwatch
from gan.uncopyable import Uncopyable
from nn import DeviceMemoryError, Sequential, get_ops

LOG_EVERY = 50  # steps between two reads of the losses; each read waits for the device


def read_only(name: str) -> Any:
    """A property for what other parts were built from: they would not follow if it were set."""
    return property(attrgetter(name))


class Trainer(Uncopyable):
    """Trains a generator and a discriminator by a recipe.

    `learning_rate` may be set at any time; the next step uses it. Settings of the recipe, such as
    the batch size, are changed before: ``Trainer(replace(recipe, batch_size=32), images)``.

    Parameters
    ----------
    recipe : a `Recipe`
    images : uint8 in 0..255, (N, C, H, W) as the generator makes them; images of one channel may
        also be (N, H, W), (N, H, W, 1) or flat, (N, H * W). Or a `BatchSource`. They are copied.
    labels : integers (N,), the class of each image, for a recipe with classes. For a recipe with
        clusters, `ClusterIds` that an earlier trainer found; other labels are ignored there.
    generator, discriminator : networks used instead of the recipe's, built or not
    seed : weights, data order, noise and dropout have independent streams made from it; on the CPU,
        equal seeds and numbers of threads give equal bytes
    device : name of a device, or a backend

    Attributes
    ----------
    generator, discriminator : the networks that learn
    generator_ema : the network to sample and to save: the moving average of the generator if the
        recipe has one, else the generator itself
    sampler : samples from it
    fixed_inputs : inputs that never change, for `fixed_samples`
    cluster_ids : integers (N,), for a recipe with clusters, else None
    learned : all arrays on the device that training changes, by name
    step_count, last_step : steps so far, and the step at which `fit` ends
    ended : whether `fit` has reached its length
    spread : standard deviations of the losses in the last epoch; see `LossLog.spread`

    Raises
    ------
    RunError, ShapeError : what is given does not fit together
    """

    def __init__(
        self,
        recipe: Recipe,
        images: np.ndarray | BatchSource,
        labels: Any = None,
        *,
        generator: Sequential | None = None,
        discriminator: Sequential | None = None,
        seed: Any = 0,
        device: Any = "cpu",
    ) -> None:
        check_recipe(recipe)
        self._learning_rate = check_learning_rate(recipe.learning_rate)
        self._ops = get_ops(device)
        seeds = np.random.SeedSequence(seed).spawn(6)
        g_seed, d_seed, order_seed, noise_seed, fixed_seed, cluster_seed = seeds
        self._batches = make_batches(
            images, recipe.batch_size, recipe.image_range, self.ops, self.ops.stream(order_seed)
        )
        self._recipe = replace(recipe, batch_size=self.batches.batch_size)
        G = recipe.generator() if generator is None else generator
        D = recipe.discriminator() if discriminator is None else discriminator
        self._generator = built_network(G, g_seed, self.ops, "G")
        self._discriminator = built_network(D, d_seed, self.ops, "D")
        self.batches.check_shape(self.generator.output_shape((recipe.n_in,)))
        self._cluster_ids = None
        if recipe.clusters:
            labels = cluster_ids(images, labels, recipe.clusters, cluster_seed)
            self._cluster_ids = labels
        if recipe.num_classes:
            self.batches.set_labels(labels, recipe.num_classes)
        self._ema = GeneratorEMA(self.generator, recipe.ema_decay) if recipe.ema_decay else None
        self._generator_ema = self._ema.network if self._ema else self.generator
        self._adversarial_step = AdversarialStep(
            self.generator, self.discriminator, self.recipe, self.ops.stream(noise_seed), self._ema
        )
        self.sampler = make_sampler(recipe, self.generator_ema, self.cluster_ids)
        self.fixed_inputs = fixed_inputs(self.sampler, fixed_seed)
        self.log = LossLog(self.ops, LOG_EVERY, self.generator.dtype)
        self.steps_per_epoch = self.batches.per_epoch
        self.step_count, self.ended = 0, False
        self.last_step: float = inf
        self.spread: dict[str, float] | None = None
        self.stopwatch = Stopwatch()
        self._end_seconds, self._stopped = inf, False
        networks = {"G": self.generator, "D": self.discriminator}
        if self._ema:
            networks["average"] = self._ema.network
        self._optimizers = {
            "G": self.adversarial_step.g_optimizer,
            "D": self.adversarial_step.d_optimizer,
        }
        self._learned = learned_arrays(networks, self._optimizers)
        self._good = Snapshot(self.ops, list(self.learned.values()))

    recipe, batch_size = read_only("_recipe"), read_only("_recipe.batch_size")
    ops, batches = read_only("_ops"), read_only("_batches")
    generator, discriminator = read_only("_generator"), read_only("_discriminator")
    generator_ema, cluster_ids = read_only("_generator_ema"), read_only("_cluster_ids")
    adversarial_step, learned = read_only("_adversarial_step"), read_only("_learned")
    instead = (
        "make a second Trainer with the same settings, and call "
        "second.load_state_dict(first.state_dict())"
    )

    @property
    def learning_rate(self) -> float:
        """Learning rate of both networks from the next step on."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._learning_rate = check_learning_rate(rate)
        for optimizer in self._optimizers.values():
            optimizer.learning_rate = self._learning_rate

    @property
    def seconds(self) -> float:
        """How long `fit` has run in all, callbacks included."""
        return self.stopwatch.seconds

    def step(self) -> None:
        """One update of D and one of G."""
        if self.log.is_full:
            self._read_log()
        step = self.adversarial_step
        with np.errstate(over="ignore", invalid="ignore"):  # found in `_read_log`
            onehot = step.conditioning.labels if self.recipe.num_classes else None
            self.batches.gather(self.step_count, out=step.real_rows, class_onehot=onehot)
            try:
                step(self.log.next_row(), self.step_count)
            except DeviceMemoryError as problem:
                del step
                raise self._memory_error(problem) from None
        self.step_count += 1

    def fit(
        self,
        epochs: float | None = None,
        *,
        steps: float | None = None,
        minutes: float | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> list[dict[str, Any]]:
        """Train.

        Parameters
        ----------
        epochs, steps, minutes : length; the first one reached ends training. Without any, the
            recipe's length.
        callbacks : called as training goes on; an error in one ends `fit`, and another `fit`
            continues after the last step

        Returns
        -------
        the history: one record per epoch; see `Callback`

        Raises
        ------
        RunError : a loss, a weight or a moment of Adam is no longer finite. Networks, optimizers
            and step count are then those of the last good step; random streams are not.
        """
        if self.stopwatch.is_running:
            raise RunError(
                "fit: expected one call at a time, got one from within another; let the first "
                "return, stop() ends it"
            )
        if epochs is None and steps is None and minutes is None:
            epochs, steps = self.recipe.epochs, self.recipe.steps
        check_length(epochs=epochs, steps=steps, minutes=minutes)
        callbacks = check_callbacks(callbacks)
        lengths = [steps, epochs and epochs * self.steps_per_epoch]
        self.last_step = min((self.step_count + n for n in lengths if n is not None), default=inf)
        self._end_seconds = inf if minutes is None else self.seconds + 60 * minutes
        self.ended = self.step_count >= self.last_step
        history: list[dict[str, Any]] = []
        self.stopwatch.start()
        try:
            for callback in callbacks:
                callback.on_start(self)
            while not (self.ended or self._stopped):
                history.append(self._epoch(callbacks))
                for callback in callbacks:
                    callback.on_epoch(self, history[-1])
        finally:
            self.stopwatch.stop()
            self._stopped = False
        return history

    def stop(self) -> None:
        """End `fit` after the current step, or the next `fit` before its first.

        A signal handler may call it.
        """
        self._stopped = True

    def fixed_samples(self) -> np.ndarray:
        """Samples of inputs that never change: float32 (64, ...) in [0, 1].

        With ten classes (100, ...): in a grid of ten columns, one column per class.
        """
        return make_images(self.generator_ema, self.fixed_inputs, self.recipe.image_range)

    def state_dict(self) -> TrainerState:
        """Everything that decides how training continues.

        Raises
        ------
        RunError : as from `fit`, where a part of it is no longer finite
        """
        if not self.log.is_empty:
            self._read_log()
        return read_state(self)

    def load_state_dict(self, state: TrainerState | tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Continue from the `state_dict` of a trainer with the same settings.

        On the CPU, to the same bytes. The learning rate remains that of this trainer.

        Raises
        ------
        RunError : the state is of other networks, images or settings; this trainer is then unusable
        """
        write_state(self, TrainerState(*state))
        self.learning_rate = self._learning_rate  # not the one in the optimizers' arrays
        self._good.take(self.step_count)

    def _epoch(self, callbacks: list[Callback]) -> dict[str, Any]:
        """Steps to the end of the epoch or of `fit`; returns their record."""
        # Reset here, not where an epoch ends: an error in a callback may skip that.
        if self.step_count % self.steps_per_epoch == 0:
            self.log.begin_epoch()
            self.stopwatch.begin_epoch()
        self.stopwatch.resume_epoch()
        ended = False
        while not ended:
            self.step()
            self.ended = self.step_count >= self.last_step or self.seconds >= self._end_seconds
            ended = self.ended or self._stopped or self.step_count % self.steps_per_epoch == 0
            if ended or self.log.is_full:
                means = self._read_log()
                for callback in callbacks:
                    callback.on_log(self, {**self._progress(), **means})
        self.spread = self.log.spread()
        epoch = (self.step_count - 1) // self.steps_per_epoch + 1
        return {"epoch": epoch, **self._progress(), **self.log.means()}

    def _progress(self) -> dict[str, Any]:
        seconds = self.stopwatch.lap()
        steps = (self.step_count - 1) % self.steps_per_epoch + 1  # of this epoch
        speed = steps * self.batch_size / max(seconds, 1e-9)
        return {"step": self.step_count, "seconds": seconds, "images_per_second": speed}

    def _read_log(self) -> dict[str, float]:
        """The mean losses since the last read; goes back to the last good step on a NaN."""
        means, n_steps, bad = self.log.read()
        if bad is None and all(self.ops.all_finite(array) for array in self.learned.values()):
            self._good.take(self.step_count)
            return means
        step = self.step_count if bad is None else self.step_count - n_steps + bad + 1
        self._go_back()
        self.log.begin_epoch()
        raise RunError(
            f"step {step}: a loss, a weight or a moment of Adam is no longer finite; training "
            f"stopped, and the weights are those of step {self.step_count}, the last good one, "
            f"after {self.step_count // self.steps_per_epoch} whole epochs. Try a learning rate "
            f"below {self.learning_rate:g}"
        )

    def _go_back(self) -> None:
        """Return to the last good step, with the current learning rate."""
        self._good.restore()
        self.step_count, self.learning_rate = self._good.step, self._learning_rate

    def _memory_error(self, problem: DeviceMemoryError) -> DeviceMemoryError:
        """The error of a step that ran out of memory, with a batch size that fits.

        It ends the run: the step is gone, and the weights are the last good ones.
        """
        del self._adversarial_step  # it holds the memory of the step, as does the traceback
        problem.__traceback__ = None
        error = memory_error(problem, self.generator, self.discriminator, self.recipe, self._ema)
        self._go_back()
        return error
