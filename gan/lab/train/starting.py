"""A run as `byhand train` starts it, which `byhand train --resume` can continue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.datasets import load
from gan.data.images import cifar10
from gan.data.images.image_set import ImageSet
from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.recipes import DIGITS, get_recipe
from gan.runs.resume import digest
from gan.runs.run import Run
from gan.runs.settings import LENGTHS, settings
from gan.training.trainer import Trainer
from nn.ops.base import Ops

DATASETS = (*SOURCES, cifar10.NAME)
OPTIONS = ("recipe", "dataset", "batch_size", "learning_rate", "seed", *LENGTHS)
NewFolder = Callable[[str], Path]


@dataclass(frozen=True)
class StartedRun:
    """A trainer and the run that records it.

    Parameters
    ----------
    trainer
        At step 0.
    run
        In a new folder.
    config
        The settings of the run.
    """

    trainer: Trainer
    run: Run
    config: dict[str, Any]


def start_run(options: Mapping[str, Any], ops: Ops, new_folder: NewFolder) -> StartedRun:
    """Read the images, make the networks, and make the folder of the run.

    Parameters
    ----------
    options
        OPTIONS by name, those of `byhand train`; None for a default.
    ops
        The backend.
    new_folder
        Called as new_folder(recipe's name) once all else is ready; makes and returns a folder.

    Raises
    ------
    RunError, DataError
        If the settings do not fit together, or the images cannot be read.
    """
    config = settings(options, None)
    recipe = get_recipe(config["recipe"])
    images: np.ndarray | ImageSet
    labels: np.ndarray | None
    if config["dataset"] == cifar10.NAME:
        images = cifar10.cifar10(quiet=True)
        recipe = recipe.for_images(cifar10.SHAPE)
        labels, data = images.labels, images.digest
        if recipe.classes and images.class_names:
            recipe = replace(recipe, classes=len(images.class_names))
    else:
        recipe = recipe.for_images(DIGITS)
        images, labels = load(config["dataset"], "train", flat=False, quiet=True)
        data = digest(images)
    given = {
        name: config[name] for name in ("batch_size", "learning_rate") if config[name] is not None
    }
    recipe = replace(recipe, **given)
    trainer = Trainer(recipe, images, labels, seed=config["seed"], device=ops)
    config |= {
        "images": len(images),
        "data": data,
        "batch_size": trainer.batch_size,
        "learning_rate": trainer.learning_rate,
        "device": ops.device,
    }
    try:
        folder = new_folder(recipe.name)
    except OSError as problem:
        raise RunError(
            f"runs: expected a folder that can be written ({problem.strerror}); start the lab with "
            "another --runs"
        ) from None
    return StartedRun(trainer, Run.create(folder, config), config)
