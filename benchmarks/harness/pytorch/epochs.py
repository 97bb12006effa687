"""PyTorch's epochs: its steps, with what projects commonly do around them."""

from __future__ import annotations

import csv

import numpy as np
import torch

from benchmarks.harness.folders import folder_with_lifetime_of
from benchmarks.harness.pytorch.eager_steps import Eager
from benchmarks.harness.pytorch.tuned_steps import Tuned
from gan.images import grid, save_picture
from gan.recipes import Recipe
from nn.arithmetic import ceil_div

N_FIXED = 64  # images in an epoch's picture, from the same noise each time


class TorchEpochs:
    """A call that runs epochs, each with a line of mean losses, a picture and a checkpoint.

    Both losses are read after each step. `torch.save` writes the checkpoint. No curves are drawn.

    Parameters
    ----------
    step : Eager or Tuned
    n_images : images in an epoch
    epochs : epochs in a call
    """

    def __init__(self, step: Eager, n_images: int, epochs: int) -> None:
        self.folder = folder_with_lifetime_of(self)
        self.step = self.lead_in = step
        self.epochs, self.steps_per_epoch, self.epoch = epochs, n_images // step.n, 0
        step.batch()  # sets the classes of the noise, where the recipe has them
        noise = [step.noise() for _ in range(ceil_div(N_FIXED, step.n))]
        self.fixed_inputs = torch.cat(noise)[:N_FIXED]

    def __call__(self) -> None:
        for _ in range(self.epochs):
            d_sum = g_sum = 0.0
            for _ in range(self.steps_per_epoch):
                d_loss, g_loss = self.step()
                d_sum, g_sum = d_sum + d_loss.item(), g_sum + g_loss.item()
            self.epoch += 1
            self.log(d_sum / self.steps_per_epoch, g_sum / self.steps_per_epoch)
            self.save_samples()
            self.save_checkpoint()

    def log(self, *means: float) -> None:
        with open(self.folder / "history.csv", "a", newline="") as file:
            csv.writer(file).writerow([self.epoch, *means])

    @torch.no_grad()
    def save_samples(self) -> None:
        generator = self.step.generator_ema or self.step.G
        low, high = self.step.recipe.image_range
        images = (generator.eval()(self.fixed_inputs) - low) / (high - low)
        generator.train()
        save_picture(self.folder / f"epoch_{self.epoch:03}.png", grid(images))

    def save_checkpoint(self) -> None:
        names = ("G", "D", "g_optimizer", "d_optimizer", "generator_ema")
        parts = {name: getattr(self.step, name) for name in names}
        states = {name: part.state_dict() for name, part in parts.items() if part}
        torch.save(states, self.folder / "checkpoint.pt")


def make_epochs(name: str, recipe: Recipe, images: np.ndarray, epochs: int) -> TorchEpochs:
    """A call that runs this many epochs of the contender "eager" or "tuned"."""
    step = {"eager": Eager, "tuned": Tuned}[name](recipe, images)
    return TorchEpochs(step, len(images), epochs)
