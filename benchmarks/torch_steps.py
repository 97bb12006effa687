"""A recipe's training step in PyTorch: eager, as the projects that the recipes come from write it, and tuned by hand."""

import os

import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from benchmarks.torch_networks import peer_of
from nn import Sigmoid


class Eager:
    """The step as a tutorial has it, with default settings everywhere.

    Real and generated images go through D one after the other, labels are made anew, the generated batch is detached for
    D's update, and G's loss is backpropagated through D, whose own gradients are computed and thrown away. What the
    projects do beside that is left out in PyTorch's favour: no DataLoader (batches are gathered from a float tensor in
    memory, in a random order), no losses read by `.item()`, no noise made by NumPy and converted, and no generator that
    D's loss is backpropagated into for want of a `detach`.
    """

    def __init__(self, recipe, images):
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
        torch.manual_seed(0)
        generator, discriminator = recipe.generator().build(0), recipe.discriminator().build(1)
        image_shape = generator.output_shape((recipe.latent.size,))
        self.recipe, self.n = recipe, recipe.batch_size
        self.G, self.D = peer_of(generator, (recipe.latent.size,)), peer_of(discriminator, image_shape)
        self.on_probabilities = isinstance(discriminator[-1], Sigmoid)
        self.has_batchnorm = any(leaf.statistic_shapes for _, leaf in discriminator.leaves())
        low, high = recipe.image_range
        self.images = torch.from_numpy(images).reshape(len(images), *image_shape).float() * ((high - low) / 255) + low
        self.order, self.place = torch.randperm(len(images)), 0
        adam = {"lr": recipe.learning_rate, "betas": (recipe.beta1, 0.999), **self.adam_options()}
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), **adam)
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), **adam)

    def adam_options(self):
        return {}

    def noise(self):
        size = (self.n, self.recipe.latent.size)
        return torch.randn(size) if self.recipe.latent.distribution == "normal" else torch.rand(size) * 2 - 1

    def batch(self):
        if self.place + self.n > len(self.order):
            self.order, self.place = torch.randperm(len(self.images)), 0
        self.place += self.n
        return self.images[self.order[self.place - self.n : self.place]]

    def loss(self, output, target):
        labels = torch.full_like(output, target)
        return (binary_cross_entropy if self.on_probabilities else binary_cross_entropy_with_logits)(output, labels)

    def __call__(self):
        objective, real = self.recipe.objective, self.batch()

        self.d_optimizer.zero_grad()
        real_loss = self.loss(self.D(real), objective.real_target)
        fake = self.G(self.noise())
        fake_loss = self.loss(self.D(fake.detach()), 0.0)
        d_loss = (real_loss + fake_loss) * objective.weight
        d_loss.backward()
        self.d_optimizer.step()

        self.g_optimizer.zero_grad()
        g_loss = self.loss(self.D(self.G(self.noise())), 1.0)
        g_loss.backward()
        self.g_optimizer.step()


class Tuned(Eager):
    """The same step with what PyTorch offers a careful user, short of compiling it.

    No graph for the generated images that D learns from; real and generated ones in one pass where D has no batch norm;
    D frozen in G's update; Adam fused into one kernel; labels made once; gradients freed instead of zeroed.
    """

    def __init__(self, recipe, images):
        super().__init__(recipe, images)
        self.ones = torch.ones(self.n, 1)
        self.d_labels = torch.cat([self.ones * recipe.objective.real_target, 0 * self.ones])

    def adam_options(self):
        return {"fused": True}

    def loss(self, output, labels):
        return (binary_cross_entropy if self.on_probabilities else binary_cross_entropy_with_logits)(output, labels)

    def __call__(self):
        weight, real = self.recipe.objective.weight, self.batch()

        self.d_optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            fake = self.G(self.noise())
        if self.has_batchnorm:
            real_loss, fake_loss = (
                self.loss(self.D(x), labels) for x, labels in zip((real, fake), self.d_labels.split(self.n))
            )
            d_loss = (real_loss + fake_loss) * weight
        else:
            d_loss = self.loss(self.D(torch.cat([real, fake])), self.d_labels) * (2 * weight)  # a mean over twice as many
        d_loss.backward()
        self.d_optimizer.step()

        self.D.requires_grad_(False)
        self.g_optimizer.zero_grad(set_to_none=True)
        self.loss(self.D(self.G(self.noise())), self.ones).backward()
        self.g_optimizer.step()
        self.D.requires_grad_(True)
