"""Contenders of benchmarks.epoch: whole epochs with everything around them, and bare steps.

Each is a function of a recipe, images and a number of epochs, and returns a call that runs that
many epochs. Its `lead_in` runs single steps, so that a measurement starts at the start of an epoch.
"""

from __future__ import annotations

import sys

import numpy as np
from tqdm import tqdm

from benchmarks.harness.contenders.steps import images as random_images
from benchmarks.harness.contenders.steps import training_step
from benchmarks.harness.folders import folder_with_lifetime_of
from benchmarks.harness.rounds import Step
from gan.commands.shared.progress import ProgressBar
from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.evaluation.collapse import CollapseCallback
from gan.recipes import Recipe, get_recipe
from gan.runs.run import Run
from gan.training.trainer import Trainer

FULL = 60_000  # images in MNIST's training set


class Ours:
    """Epochs of one long run, as examples/train_mnist_gan.py does them.

    With progress bar, collapse warning and the run's folder of pictures, weights, history, curves
    and checkpoints.
    """

    def __init__(self, recipe: Recipe, images: np.ndarray, epochs: int) -> None:
        self.epochs, self.folder = epochs, folder_with_lifetime_of(self) / "run"
        self.trainer = make_trainer(recipe, images)
        self.lead_in = training_step(make_trainer(recipe, images))
        bar = ProgressBar(tqdm(unit="step", file=sys.stderr, disable=None))  # on a terminal only
        self.run = Run.create(self.folder, {"recipe": recipe.name})
        self.callbacks = [*self.run.callbacks, bar, CollapseCallback()]

    def __call__(self) -> None:
        self.trainer.fit(epochs=self.epochs, callbacks=self.callbacks)

    def finish(self) -> None:
        """Write the files that a run writes once, at its end."""
        self.run.finish(self.trainer)


class Steps:
    """The training steps of these epochs, and nothing else."""

    def __init__(self, recipe: Recipe, images: np.ndarray, epochs: int) -> None:
        self.epochs = epochs
        self.trainer = make_trainer(recipe, images)
        self.lead_in = training_step(self.trainer)

    def __call__(self) -> None:
        for _ in range(self.epochs * self.trainer.steps_per_epoch):
            self.lead_in()


def make_trainer(recipe: Recipe, images: np.ndarray, capture: bool = True) -> Trainer:
    """A trainer with arbitrary classes or clusters: k-means is not part of an epoch."""
    ids = np.arange(len(images)) % max(recipe.num_classes, 1)
    labels = ClusterIds(ids) if recipe.clusters else ids
    return Trainer(recipe, images, labels, capture=capture)


def training_images(n: int, data_dir: str | None = None) -> np.ndarray:
    """The first `n` images of MNIST in a folder, or `n` images of random bytes."""
    if not data_dir:
        return random_images(n)[:, 0]
    return load("mnist", data_dir=data_dir, flat=False, quiet=True)[0][:n]


def make_step(
    name: str,
    recipe_name: str,
    n_images: str | int = FULL,
    epochs: str | int = 1,
    data_dir: str | None = None,
) -> Step:
    """A contender's call that runs this many epochs."""
    recipe, images = get_recipe(recipe_name), training_images(int(n_images), data_dir)
    if name in ("eager", "tuned"):
        from benchmarks.harness.pytorch.epochs import make_epochs

        return make_epochs(name, recipe, images, int(epochs))
    make = Ours if name == "ours" else Steps
    return make(recipe, images, int(epochs))
