"""A recipe's training step in PyTorch: optimized by hand, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness.pytorch.eager_steps import Eager
from gan.recipes import Recipe


class Tuned(Eager):
    """The same step with what PyTorch offers a careful user, except compilation.

    No graph for the generated images that D learns from, real and generated images in one pass
    where D has no batch norm, D frozen in G's update, Adam fused into one kernel, labels created
    once, gradients freed instead of zeroed.
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, device: str = "cpu") -> None:
        super().__init__(recipe, images, device)
        self.ones = torch.ones(self.n, 1, device=device)
        real_labels = self.ones * self.real_target
        self.d_labels = torch.cat([real_labels, 0 * self.ones])

    def adam_options(self) -> dict[str, Any]:
        return {"fused": True}

    def __call__(self) -> tuple[Tensor, Tensor]:
        real = self.batch()

        self.d_optimizer.zero_grad(set_to_none=True)
        # with fresh noise, G does not learn from these images
        with torch.set_grad_enabled(not self.recipe.fresh_noise):
            made = self.G(self.noise())
        fake = made.detach()
        d_loss = self.d_loss(real, fake) + self.penalty(real, fake)
        d_loss.backward()
        self.d_optimizer.step()

        self.D.requires_grad_(False)
        self.g_optimizer.zero_grad(set_to_none=True)
        fake = self.G(self.noise()) if self.recipe.fresh_noise else made
        g_loss = self.g_loss(fake, *[real] * self.objective.pairs)
        g_loss.backward()
        self.g_optimizer.step()
        self.D.requires_grad_(True)
        self.update_ema()
        return d_loss, g_loss

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's loss without the penalty."""
        weight = self.weight
        if self.objective.pairs:
            real_output, fake_output = self.logits_of_both(real, fake)
            return self.cross_entropy(real_output - fake_output, self.ones)
        if not self.has_batchnorm:  # a mean over both halves is half the sum of their means
            both = self.logits(torch.cat([real, fake]))
            return self.cross_entropy(both, self.d_labels) * (2 * weight)
        real_labels, fake_labels = self.d_labels.split(self.n)
        real_loss = self.cross_entropy(self.logits(real), real_labels)
        return (real_loss + self.cross_entropy(self.logits(fake), fake_labels)) * weight

    def g_loss(self, fake: Tensor, *real: Tensor) -> Tensor:
        """G's loss, given training images too where the objective is of pairs."""
        output = self.logits(fake)
        if real:
            with torch.no_grad():
                real_output = self.logits(*real)
            output = output - real_output
        return self.cross_entropy(output, self.ones)

    def logits_of_both(self, real: Tensor, fake: Tensor) -> tuple[Tensor, ...]:
        if self.has_batchnorm:
            return self.logits(real), self.logits(fake)
        return self.logits(torch.cat([real, fake])).split(self.n)


class Compiled(Tuned):
    """The tuned step with G, and D together with each of the losses, compiled by `torch.compile`.

    The penalty is left to autograd: compiled code cannot be differentiated twice.
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, device: str = "cpu") -> None:
        super().__init__(recipe, images, device)
        self.G, self.d_loss, self.g_loss = (  # type: ignore[method-assign]
            torch.compile(part, dynamic=False) for part in (self.G, self.d_loss, self.g_loss)
        )
