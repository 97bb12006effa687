"""PyTorch's epochs: its steps of torch_steps.py with what projects commonly do around them."""

import csv

import torch

from benchmarks.harness.contenders.epochs import Epochs
from benchmarks.harness.pytorch.eager_steps import Eager, Tuned
from gan.images import grid, save_picture

N_FIXED = 64  # images of an epoch's picture, of the same noise each time


class TorchEpochs(Epochs):
    """Both losses read after each step; after each epoch a line of their means, a picture, and a checkpoint by `torch.save`.

    make: Eager or Tuned. No curves are drawn, and batches are gathered in memory as there, without a DataLoader.
    """

    def __init__(self, make, recipe, images, epochs):
        super().__init__(epochs)
        self.folder.mkdir()
        self.step = self.lead_in = make(recipe, images)
        self.per_epoch, self.done = len(images) // self.step.n, 0
        self.step.batch()  # the kinds that noise is for, where the recipe has them
        self.fixed = torch.cat([self.step.noise() for _ in range(-(-N_FIXED // self.step.n))])[:N_FIXED]

    def __call__(self):
        for _ in range(self.epochs):
            d_sum = g_sum = 0.0
            for _ in range(self.per_epoch):
                d_loss, g_loss = self.step()
                d_sum, g_sum = d_sum + d_loss.item(), g_sum + g_loss.item()
            self.done += 1
            self.log(d_sum / self.per_epoch, g_sum / self.per_epoch)
            self.draw()
            self.save()

    def log(self, *means):
        with open(self.folder / "history.csv", "a", newline="") as file:
            csv.writer(file).writerow([self.done, *means])

    @torch.no_grad()
    def draw(self):
        artist = self.step.average or self.step.G
        low, high = self.step.recipe.image_range
        images = (artist.eval()(self.fixed) - low) / (high - low)
        artist.train()
        save_picture(self.folder / f"epoch_{self.done:03}.png", grid(images))

    def save(self):
        parts = {name: getattr(self.step, name) for name in ("G", "D", "g_optimizer", "d_optimizer", "average")}
        torch.save({name: part.state_dict() for name, part in parts.items() if part}, self.folder / "checkpoint.pt")


SIDES = {make.__name__.lower(): lambda *what, make=make: TorchEpochs(make, *what) for make in (Eager, Tuned)}
