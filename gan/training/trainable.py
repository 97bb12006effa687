"""A generator and a discriminator set up to learn from images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gan.data.batches import Batches, BatchSource, checked_labels, make_batches
from gan.data.clusters import ClusterIds, cluster_ids
from gan.data.image_shapes import ImageShape
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.recipe import Recipe
from gan.sampling import Sampler, make_images
from gan.training.checks import check_recipe
from gan.training.set_once import SetOnce
from gan.training.setup import built_network, fixed_inputs, make_sampler
from gan.training.shared import check_alike, make_alike, share_of_batch, shared_seed
from gan.training.state import learned_arrays
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.step.captured import CapturedStep
from gan.training.step.ema import GeneratorEMA
from gan.uncopyable import Uncopyable
from nn import Sequential, get_ops
from nn.ops.base import Array
from nn.processes.single import Processes
from nn.processes.streams import SharedStream

N_SETTLING = 256  # images whose statistics the moving average takes; 20,000 give the same FID


class TrainableGAN(Uncopyable):
    """What a `Trainer` is made of, before its first step; see there for the parameters."""

    recipe = SetOnce[Recipe]()
    ops = SetOnce[Any]()
    batches = SetOnce[Batches]()
    generator = SetOnce[Sequential]()
    discriminator = SetOnce[Sequential]()
    cluster_ids = SetOnce[np.ndarray | None]()
    adversarial_step = SetOnce[AdversarialStep]()
    learned = SetOnce[dict[str, Array]]()

    def __init__(
        self,
        recipe: Recipe,
        images: np.ndarray | BatchSource,
        labels: Any,
        generator: Sequential | None,
        discriminator: Sequential | None,
        seed: Any,
        device: Any,
        capture: bool,
        processes: Processes,
    ) -> None:
        check_recipe(recipe)
        self.ops = ops = get_ops(device)
        self.processes = processes
        seed = shared_seed(seed, processes)
        seeds = np.random.SeedSequence(seed).spawn(7)
        g_seed, d_seed, order_seed, noise_seed, fixed_seed, cluster_seed, ema_seed = seeds
        order = ops.stream(order_seed)
        noise: Any = ops.stream(noise_seed)
        self.batches = make_batches(images, recipe.batch_size, recipe.image_range, ops, order)
        self.recipe = recipe = replace(recipe, batch_size=self.batches.batch_size)
        own = replace(recipe, batch_size=share_of_batch(recipe, processes))
        if processes.size > 1:
            self.batches.take_share(processes.rank, processes.size)
            noise = SharedStream(noise, ops, processes)

        G = recipe.generator() if generator is None else generator
        D = recipe.discriminator() if discriminator is None else discriminator
        self.generator = built_network(G, g_seed, ops, "G")
        self.discriminator = built_network(D, d_seed, ops, "D")
        self.batches.check_shape(self.generator.output_shape((recipe.n_in,)))
        networks = {"G": self.generator, "D": self.discriminator}
        check_alike(processes, seed, recipe, self.batches, labels, networks.values())
        make_alike((self.generator, self.discriminator), seed, ops, processes)
        if recipe.clusters:
            if recipe.classes and not isinstance(labels, ClusterIds):  # an error on all ranks
                checked_labels(labels, self.batches.n_images, recipe.classes)
            ids = (
                None
                if processes.rank
                else cluster_ids(images, labels, recipe.clusters, cluster_seed, recipe.classes)
            )
            labels = processes.share(ids)
        self.cluster_ids = labels if recipe.clusters else None
        if recipe.num_classes:
            self.batches.set_labels(labels, recipe.num_classes, recipe.clusters_per_image)

        self.ema = GeneratorEMA(self.generator, recipe.ema_decay) if recipe.ema_decay else None
        self.adversarial_step = step = AdversarialStep(
            self.generator, self.discriminator, own, noise, self.ema, processes
        )
        self.train_step = CapturedStep(step) if capture else step
        names = images.class_names if isinstance(images, ImageSet | Split) else None
        sampled = self.ema.network if self.ema else self.generator
        self._sampler = make_sampler(recipe, sampled, self.cluster_ids, names)
        self.fixed_inputs = fixed_inputs(self._sampler, fixed_seed)
        if self.ema:
            self._settling_inputs = self._sampler.inputs(N_SETTLING, ema_seed)

        averaged = {"average": self.ema.network} if self.ema else {}
        self.rates = step.rates
        self.optimizers = {"G": step.g_optimizer, "D": step.d_optimizer}
        self.learned = learned_arrays(networks | averaged, self.optimizers)

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of the generated images."""
        assert self._sampler.image_shape is not None  # `make_sampler` sets it
        return self._sampler.image_shape

    @property
    def generator_ema(self) -> Sequential:
        """The network to sample and to save.

        The moving average of the generator if the recipe has one, else the generator itself. It
        changes with each step; get it again before you use it.
        """
        return self._sampled_network()

    @property
    def sampler(self) -> Sampler:
        """Draws samples from `generator_ema`."""
        return replace(self._sampler, generator=self.generator_ema)

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return self.recipe.batch_size

    @property
    def learning_rate(self) -> float:
        """Learning rate of both networks from the next step on, before the recipe's schedule.

        Setting it scales a network's own rate, `g_learning_rate` or `d_learning_rate`, alike.
        """
        return self.rates.base

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.rates.base = rate

    def _sampled_network(self) -> Sequential:
        return self.ema.settled(self._settling_inputs) if self.ema else self.generator

    def _average_changed(self) -> None:
        if self.ema:
            self.ema.is_settled = False

    def fixed_samples(self) -> np.ndarray:
        """Samples of inputs that never change: float32 (64, ...) in [0, 1].

        With ten classes (100, ...): in a grid of ten columns, one column per class.
        """
        return make_images(self.generator_ema, self.fixed_inputs, self.recipe.image_range)
