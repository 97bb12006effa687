"""The trainers whose next step can be watched: a recipe's, or a run's at its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.clusters import ClusterIds
from gan.data.datasets import load
from gan.data.held_out import hold_out
from gan.data.images import cifar10
from gan.data.images.split import Split
from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.lab.play.training_images import own_images
from gan.recipe import DIGITS, Recipe
from gan.recipes import get_recipe
from gan.runs.checkpoint import NAME, Checkpoint, read_checkpoint
from gan.runs.resume import check_data, digest, fallback_dataset, restore
from gan.runs.settings import SOURCE, settings
from gan.runs.starting.own_images import with_clusters
from gan.runs.starting.tuned import tuned
from gan.training.trainer import Trainer
from nn.ops.base import Ops

DATASETS = (*SOURCES, cifar10.NAME)


def new_trainer(recipe: str, dataset: str, batch_size: int, seed: int, ops: Ops) -> Trainer:
    """A trainer at step 0, without a run.

    Parameters
    ----------
    recipe, dataset
        Their names.
    batch_size, seed
        Of the step.
    ops
        The backend.

    Raises
    ------
    RunError, DataError
        If they do not fit together, or the images cannot be read.
    """
    made = replace(get_recipe(recipe), batch_size=batch_size)
    images, labels, _ = _images({"dataset": dataset}, None, None)
    made = _fitted(made, images)
    return Trainer(made, images, labels, seed=seed, device=ops, capture=False)


def trainer_of_run(folder: Path, ops: Ops) -> Trainer:
    """A trainer at the checkpoint of a run, which stays as it is.

    Raises
    ------
    RunError, DataError, WeightsError
        If there is no checkpoint, or its images are not on this machine.
    """
    if not (folder / NAME).is_file():
        raise RunError(
            f"{folder.name}: expected a checkpoint, got none yet; a run writes one every two "
            "minutes and where it ends"
        )
    checkpoint = read_checkpoint(folder / NAME)
    config = settings({"resume": str(folder)}, checkpoint)
    images, labels, n = _images(config, checkpoint.data_dir, checkpoint)
    recipe = _fitted(get_recipe(config["recipe"]), images)
    recipe = with_clusters(recipe, n, config, is_new=False)
    if checkpoint.clusters is not None:
        labels = ClusterIds(checkpoint.clusters)
    recipe = tuned(recipe, config, n)
    trainer = Trainer(recipe, images, labels, seed=config["seed"], device=ops, capture=False)
    restore(trainer, checkpoint, folder)
    return trainer


def _fitted(recipe: Recipe, images: np.ndarray | Split) -> Recipe:
    """The recipe with networks for these images, and for their classes if it has classes."""
    if not isinstance(images, Split):
        return recipe.for_images(DIGITS)
    recipe = recipe.for_images(images.whole.image_shape)
    if recipe.classes and images.class_names:
        recipe = replace(recipe, classes=len(images.class_names))
    return recipe


def _images(
    config: Mapping[str, Any], data_dir: str | None, checkpoint: Checkpoint | None
) -> tuple[np.ndarray | Split, Any, int]:
    """The training images of a run, their labels, and how many there are."""
    dataset = config["dataset"]
    if checkpoint and not dataset:
        path = data_dir or config["source"]["name"]
        own = own_images(path, {name: config["source"][name] for name in SOURCE})
        check_data(checkpoint, own.digest, path)
        split = Split.of(own) if checkpoint.config.get("held_out") else Split(own)
        return split, split.labels, len(split)
    if dataset == cifar10.NAME:
        whole = cifar10.cifar10(data_dir=data_dir, quiet=True)
        check_data(checkpoint, whole.digest)
        split = Split(whole)
        return split, split.labels, len(split)
    if dataset not in SOURCES:
        raise RunError(
            f"data: expected one of {', '.join(DATASETS)}, got {dataset!r:.60}; take another run"
        )
    images, labels = load(dataset, "train", data_dir=data_dir, flat=False, quiet=True)
    if sample := fallback_dataset(checkpoint, digest(images)):
        images, labels = load(sample, "train", flat=False)
    check_data(checkpoint, digest(images))
    if held_out := config.get("validation"):
        images, labels, _ = hold_out(images, labels, held_out)  # type: ignore[assignment]
    return images, labels, len(images)
