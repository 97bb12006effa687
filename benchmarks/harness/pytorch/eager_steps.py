"""A recipe's training step in PyTorch, as tutorials write it."""

from __future__ import annotations

import copy
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits, one_hot
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmarks.harness.pytorch.networks import peer_of
from gan.errors import RunError
from gan.objectives.objectives import NonSaturating, Relativistic
from gan.objectives.penalties import ZeroCentered
from gan.recipes import Recipe
from nn import Sigmoid


class Eager:
    """The step as in tutorials, with default settings.

    Real and generated images pass through D separately, labels are created anew, the generated
    batch is detached for D's update, and G's loss is backpropagated through D, whose gradients are
    computed and discarded.

    What the recipes' projects do beyond that is left out in PyTorch's favour: no DataLoader
    (batches are gathered from a float tensor in memory, in random order), no losses read by
    `.item()`, no noise converted from NumPy, and no backward pass of D's loss into G for lack of
    a `detach`.

    Parameters
    ----------
    recipe : with a non-saturating or relativistic objective, and a zero-centered penalty or none
    images : uint8 (N, C, H, W); they are kept on the device as floats
    device : "cpu" or "cuda"
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, device: str = "cpu") -> None:
        torch.set_num_threads(available_cores())
        torch.manual_seed(0)
        objective, slope_penalty = recipe.objective, recipe.penalty
        generator, discriminator = recipe.generator().build(0), recipe.discriminator().build(1)
        self.on_probabilities = isinstance(discriminator[-1], Sigmoid)
        fits = type(objective) is NonSaturating or (
            type(objective) is Relativistic and not self.on_probabilities
        )
        if not fits or not isinstance(slope_penalty, ZeroCentered | None):
            raise RunError(
                f"{recipe.name}: expected a non-saturating objective, or a relativistic one of "
                "logits, and a zero-centered penalty or none; "
                "benchmarks/harness/pytorch/eager_steps.py has no other"
            )
        self.real_target, self.weight = 1.0, 1.0
        if isinstance(objective, NonSaturating):
            self.real_target, self.weight = objective.real_target, objective.weight
        image_shape = generator.output_shape((recipe.n_in,))
        self.objective, self.slope_penalty = objective, slope_penalty
        self.recipe, self.n, self.device = recipe, recipe.batch_size, device
        self.G = peer_of(generator, (recipe.n_in,)).to(device)
        self.D = peer_of(discriminator, image_shape).to(device)
        labels = torch.arange(len(images), device=device) % max(recipe.num_classes, 1)
        onehot = one_hot(labels, max(recipe.num_classes, 1)).float()  # of each image
        self.onehot = onehot.repeat(1, recipe.clusters_per_image)
        self.has_batchnorm = any(layer.statistic_shapes for _, layer in discriminator.modules())
        low, high = recipe.image_range
        pixels = torch.from_numpy(images).to(device).reshape(len(images), *image_shape)
        self.images = pixels.float() * ((high - low) / 255) + low
        self.order, self.position = torch.randperm(len(images), device=device), 0
        betas = recipe.beta1, recipe.beta2
        adam = {"lr": recipe.learning_rate, "betas": betas, **self.adam_options()}
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), **adam)
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), **adam)
        self.generator_ema = None
        if recipe.ema_decay:
            self.generator_ema = copy.deepcopy(self.G)
            self.ema_update = get_ema_multi_avg_fn(recipe.ema_decay)
        self.count = -1  # of the current step

    def adam_options(self) -> dict[str, Any]:
        return {}

    def __call__(self) -> tuple[Tensor, Tensor]:
        """One update of D and one of G; returns their losses."""
        real = self.batch()

        self.d_optimizer.zero_grad()
        real_output = self.logits(real)
        fake = self.G(self.noise())
        fake_output = self.logits(fake.detach())
        if self.objective.pairs:
            d_loss = self.loss(real_output - fake_output, 1.0)
        else:
            real_loss = self.loss(real_output, self.real_target)
            d_loss = (real_loss + self.loss(fake_output, 0.0)) * self.weight
        d_loss = d_loss + self.penalty(real, fake)
        d_loss.backward()
        self.d_optimizer.step()

        self.g_optimizer.zero_grad()
        if self.recipe.fresh_noise:
            fake = self.G(self.noise())
        fake_output = self.logits(fake)
        if self.objective.pairs:
            fake_output = fake_output - self.logits(real)
        g_loss = self.loss(fake_output, 1.0)
        g_loss.backward()
        self.g_optimizer.step()
        self.update_ema()
        return d_loss, g_loss

    def next_indices(self) -> Tensor:
        """The images of the next batch."""
        if self.position + self.n > len(self.order):
            self.order = torch.randperm(len(self.images), device=self.device)
            self.position = 0
        self.position += self.n
        return self.order[self.position - self.n : self.position]

    def batch(self) -> Tensor:
        """The next real images; sets `class_onehot`, where there are classes or clusters."""
        indices = self.next_indices()
        if self.recipe.num_classes:
            self.class_onehot = self.onehot[indices]
        return self.images[indices]

    def noise(self) -> Tensor:
        """G's input: noise, and the one-hot classes of the batch."""
        size = (self.n, self.recipe.latent.size)
        if self.recipe.latent.distribution == "normal":
            z = torch.randn(size, device=self.device)
        else:
            z = torch.rand(size, device=self.device) * 2 - 1
        return torch.cat([z, self.class_onehot], dim=1) if self.recipe.num_classes else z

    def logits(self, x: Tensor) -> Tensor:
        """D's output for each image: (N, 1). With classes, the one for the image's class."""
        y = self.D(x)
        if not self.recipe.num_classes:
            return y
        onehot = self.class_onehot.repeat(len(x) // self.n, 1)
        return (y * onehot).sum(dim=1, keepdim=True)

    def loss(self, output: Tensor, target: float) -> Tensor:
        return self.cross_entropy(output, torch.full_like(output, target))

    def cross_entropy(self, output: Tensor, labels: Tensor) -> Tensor:
        if self.on_probabilities:
            return binary_cross_entropy(output, labels)
        return binary_cross_entropy_with_logits(output, labels)

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor | float:
        """R1, R2 or both in steps where they are due, else 0; autograd differentiates twice."""
        penalty = self.slope_penalty
        self.count += 1
        if not penalty or self.count % penalty.every:
            return 0.0
        total: Tensor | float = 0.0
        for x in [real] * penalty.real + [fake] * penalty.fake:
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(self.logits(x).sum(), x, create_graph=True)
            total = total + g.square().flatten(1).sum(1).mean()
        return total * (penalty.gamma * penalty.every / 2)

    @torch.no_grad()
    def update_ema(self) -> None:
        """Update the moving average of G, where the recipe has one."""
        if self.generator_ema is None:
            return
        for averages, values in (
            (self.generator_ema.parameters(), self.G.parameters()),
            (self.generator_ema.buffers(), self.G.buffers()),
        ):
            pairs = [pair for pair in zip(averages, values) if pair[0].is_floating_point()]
            if pairs:
                self.ema_update(*map(list, zip(*pairs)), None)


def available_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
