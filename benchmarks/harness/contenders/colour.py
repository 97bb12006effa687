"""Contenders of benchmarks.own_images: trainings that can be saved, continued and sampled."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gan.data.image_shapes import ImageShape
from gan.data.images.split import Split
from gan.errors import RunError
from gan.latent import Latent
from gan.networks import small_discriminator, small_generator
from gan.objectives.penalties import ZeroCentered
from gan.recipe import MakeNetwork, Recipe
from gan.recipes import CONV_CLUSTERS, RECIPES, get_recipe
from gan.runs.starting.own_images import fitted
from gan.training.state import TrainerState
from gan.training.trainer import Trainer

PEER = "dcgan-pytorch"


def wide(recipe: Recipe, width: int) -> Recipe:
    """A recipe of the small networks, with this many channels next to the image."""

    def make(image_shape: ImageShape) -> tuple[MakeNetwork, MakeNetwork]:
        return (
            partial(small_generator, image_shape=image_shape, narrowest=width),
            partial(small_discriminator, image_shape=image_shape, narrowest=width),
        )

    return replace(recipe, make_networks=make)


def in_colour(**settings: Any) -> Recipe:
    """The default with these settings for colour images in place of its own."""
    return replace(CONV_CLUSTERS, colour={**CONV_CLUSTERS.colour, **settings})


VARIANTS = {  # of our recipes, tried as defaults for colour
    "constant-rate": in_colour(schedule=None),
    "r1r2-1": in_colour(penalty=ZeroCentered(1.0, every=8)),
    "noise-16": in_colour(latent=Latent(16)),
    "wide-32": wide(CONV_CLUSTERS, 32),
    "wide-64": wide(CONV_CLUSTERS, 64),
    "batch-32": replace(CONV_CLUSTERS, batch_size=32),
    "clusters-400": in_colour(clusters=400),
    "clusters-50": in_colour(clusters=50),
    "classes-wide-64": wide(get_recipe("conv-r1r2-classes"), 64),
    "classes-batch-32": replace(get_recipe("conv-r1r2-classes"), batch_size=32),
}


class Training(Protocol):
    """A network pair that trains step by step."""

    batch_size: int
    step_count: int

    def step(self) -> None:
        """One update of both networks."""

    def samples(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """n images, uint8 (n, C, H, W), and the classes that they were to show, if any."""

    def save(self, path: Path) -> None:
        """Write the state of training."""

    def load(self, path: Path) -> None:
        """Continue from it."""


class Ours:
    """A recipe of ours.

    Parameters
    ----------
    recipe
        Fits the images.
    split
        The images to train on.
    seed
        Of the run.
    """

    def __init__(self, recipe: Recipe, split: Split, seed: int) -> None:
        self._trainer = Trainer(recipe, split, split.labels, seed=seed)
        self.batch_size = self._trainer.batch_size

    @property
    def step_count(self) -> int:
        """Steps so far."""
        return self._trainer.step_count

    def step(self) -> None:
        """One update of both networks."""
        self._trainer.step()

    def samples(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """n images; with classes, equally many of each."""
        sampler = self._trainer.sampler
        labels = np.arange(n) % sampler.classes if sampler.classes else None
        images = sampler.images(sampler.inputs(n, seed, labels))
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        return np.rint(255 * images).astype(np.uint8), labels

    def save(self, path: Path) -> None:
        """Write the state of training."""
        arrays, rest = self._trainer.state_dict()
        with open(path, "wb") as file:
            np.savez(file, rest=np.array(json.dumps(rest)), **arrays)  # type: ignore[arg-type]

    def load(self, path: Path) -> None:
        """Continue from it."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        rest = json.loads(str(arrays.pop("rest")))
        self._trainer.load_state_dict(TrainerState(arrays, rest))


def training(name: str, split: Split, seed: int) -> Training:
    """The contender of that name: a recipe, a variant of one, or PEER."""
    if name == PEER:
        from benchmarks.harness.pytorch.dcgan import DCGAN

        return DCGAN(split.whole.images[split.rows], seed)
    if name in VARIANTS:
        return Ours(fitted(VARIANTS[name], split.whole), split, seed)
    if name not in RECIPES:
        known = ", ".join([PEER, *RECIPES, *VARIANTS])
        raise RunError(f"--contender: expected one of {known}, got {name!r}; choose one")
    return Ours(fitted(get_recipe(name), split.whole), split, seed)
