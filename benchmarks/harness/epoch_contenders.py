"""The sides of benchmarks/epoch.py: whole epochs with all that belongs to them, and their steps alone.

Each is a function of a recipe, its images and a number of epochs, and returns a call that takes so many epochs. What runs
untimed before a turn, the call's `lead_in`, is single steps of other networks, so that a turn begins where an epoch does.
"""

import shutil
import sys
import tempfile
import weakref
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.harness import contenders as sides
from gan.commands.shared.progress import ProgressBar
from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.recipes import get_recipe
from gan.runs.run import Run
from gan.evaluation.collapse import CollapseCallback
from gan.training.trainer import Trainer

FULL = 60_000  # images, as many as MNIST has to train on


class Epochs:
    """So many epochs a call, into a folder that is there as long as this is."""

    def __init__(self, epochs):
        parent = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, parent)
        self.epochs, self.folder = epochs, Path(parent, "run")


class Ours(Epochs):
    """Epochs of one long training as examples/train_mnist_gan.py has it: with its progress bar, its look for a standstill, and
    its folder of pictures, weights, history, curves and checkpoints."""

    def __init__(self, recipe, images, epochs):
        super().__init__(epochs)
        self.trainer, self.lead_in = trainer_of(recipe, images), sides.stepper(trainer_of(recipe, images))
        bar = ProgressBar(tqdm(unit="step", file=sys.stderr, disable=None))  # drawn where stderr is a terminal
        self.run = Run.create(self.folder, {"recipe": recipe.name})
        self.callbacks = [*self.run.callbacks, bar, CollapseCallback()]

    def __call__(self):
        self.trainer.fit(epochs=self.epochs, callbacks=self.callbacks)

    def finish(self):
        """Write what a training writes once, at its end."""
        self.run.finish(self.trainer)


class Steps(Epochs):
    """As many steps as so many epochs have, and nothing else."""

    def __init__(self, recipe, images, epochs):
        super().__init__(epochs)
        self.trainer = trainer_of(recipe, images)
        self.lead_in = sides.stepper(self.trainer)

    def __call__(self):
        for _ in range(self.epochs * self.trainer.steps_per_epoch):
            self.lead_in()


def trainer_of(recipe, images):
    """Its images are of any kind, where the recipe has kinds: k-means is no part of an epoch."""
    ids = np.arange(len(images)) % max(recipe.num_classes, 1)
    return Trainer(recipe, images, ClusterIds(ids) if recipe.clusters else ids)


def training_images(n, data_dir=None):
    """The first n images of MNIST out of a folder, or as many of random bytes."""
    return load("mnist", data_dir=data_dir, flat=False, quiet=True)[0][:n] if data_dir else sides.images(n)


def make_step(side, recipe_name, n_images=FULL, epochs=1, data_dir=None):
    """So many epochs of that side, as one call."""
    if side in ("eager", "tuned"):
        from benchmarks.harness.torch_epochs import SIDES
    else:
        SIDES = {"ours": Ours, "steps": Steps}
    return SIDES[side](get_recipe(recipe_name), training_images(int(n_images), data_dir), int(epochs))
