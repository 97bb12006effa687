"""A generator and a discriminator set up to learn from images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gan.data.batches import Batches, BatchSource, make_batches
from gan.data.clusters import cluster_ids
from gan.data.image_shapes import ImageShape
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.recipe import Recipe
from gan.sampling import make_images
from gan.training.checks import check_recipe
from gan.training.set_once import SetOnce
from gan.training.setup import built_network, fixed_inputs, make_sampler
from gan.training.state import learned_arrays
from gan.training.step.adversarial_step import AdversarialStep
from gan.training.step.captured import CapturedStep
from gan.training.step.ema import GeneratorEMA
from gan.uncopyable import Uncopyable
from nn import Sequential, get_ops
from nn.ops.base import Array


class TrainableGAN(Uncopyable):
    """What a `Trainer` is made of, before its first step; see there for the parameters."""

    recipe = SetOnce[Recipe]()
    ops = SetOnce[Any]()
    batches = SetOnce[Batches]()
    generator = SetOnce[Sequential]()
    discriminator = SetOnce[Sequential]()
    generator_ema = SetOnce[Sequential]()
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
    ) -> None:
        check_recipe(recipe)
        self.ops = ops = get_ops(device)
        seeds = np.random.SeedSequence(seed).spawn(6)
        g_seed, d_seed, order_seed, noise_seed, fixed_seed, cluster_seed = seeds
        order, noise = ops.stream(order_seed), ops.stream(noise_seed)
        self.batches = make_batches(images, recipe.batch_size, recipe.image_range, ops, order)
        self.recipe = recipe = replace(recipe, batch_size=self.batches.batch_size)

        G = recipe.generator() if generator is None else generator
        D = recipe.discriminator() if discriminator is None else discriminator
        self.generator = built_network(G, g_seed, ops, "G")
        self.discriminator = built_network(D, d_seed, ops, "D")
        self.batches.check_shape(self.generator.output_shape((recipe.n_in,)))
        if recipe.clusters:
            labels = cluster_ids(images, labels, recipe.clusters, cluster_seed)
        self.cluster_ids = labels if recipe.clusters else None
        if recipe.num_classes:
            self.batches.set_labels(labels, recipe.num_classes)

        self.ema = GeneratorEMA(self.generator, recipe.ema_decay) if recipe.ema_decay else None
        self.generator_ema = self.ema.network if self.ema else self.generator
        self.adversarial_step = step = AdversarialStep(
            self.generator, self.discriminator, recipe, noise, self.ema
        )
        self.train_step = CapturedStep(step) if capture else step
        names = images.class_names if isinstance(images, ImageSet | Split) else None
        self.sampler = make_sampler(recipe, self.generator_ema, self.cluster_ids, names)
        self.fixed_inputs = fixed_inputs(self.sampler, fixed_seed)

        networks = {"G": self.generator, "D": self.discriminator}
        averaged = {"average": self.ema.network} if self.ema else {}
        self.rates = step.rates
        self.optimizers = {"G": step.g_optimizer, "D": step.d_optimizer}
        self.learned = learned_arrays(networks | averaged, self.optimizers)

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of the generated images."""
        assert self.sampler.image_shape is not None  # `make_sampler` sets it
        return self.sampler.image_shape

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

    def fixed_samples(self) -> np.ndarray:
        """Samples of inputs that never change: float32 (64, ...) in [0, 1].

        With ten classes (100, ...): in a grid of ten columns, one column per class.
        """
        return make_images(self.generator_ema, self.fixed_inputs, self.recipe.image_range)
