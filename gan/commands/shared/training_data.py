"""The training images of `byhand train` that are not in MNIST's format."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.commands.shared.own_images import fitted, image_split, unused_classes
from gan.data.batches import BatchSource
from gan.data.images.split import Split
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import STACKED_DIGITS, recipes_for
from gan.runs.checkpoint import Checkpoint
from gan.runs.resume import digest

Say = Callable[..., object]
LoadDigits = Callable[[str | None], np.ndarray]


@dataclass
class TrainingData:
    """Images to train on.

    Parameters
    ----------
    images
        What a `Trainer` takes.
    labels
        Their classes, integers (N,), or None.
    n_images
        How many there are.
    digest
        A hash of the data, which a resumed run compares.
    data_dir
        Where they are, for a resumed run.
    split
        The images and those held out; None for Stacked MNIST.
    """

    images: BatchSource
    labels: np.ndarray | None
    n_images: int
    digest: str
    data_dir: str | None
    split: Split | None = None


def other_data(
    args: Namespace,
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
    recipe: Recipe,
    load_digits: LoadDigits,
    say: Say,
) -> tuple[Recipe, TrainingData]:
    """Read Stacked MNIST, CIFAR-10 or the user's own images, and fit the recipe to them.

    Parameters
    ----------
    args
        Of `byhand train`.
    config
        The settings of the run; "held_out" is added, the number of images held out.
    checkpoint
        Of the run to resume; None for a new run.
    recipe
        The run's.
    load_digits
        Returns the digits in a folder, uint8 (N, 1, H, W).
    say
        Prints a line.
    """
    if config["dataset"] == STACKED:
        if recipe.num_classes:
            known = ", ".join(recipes_for(STACKED_DIGITS))
            raise RunError(
                f"recipe {recipe.name}: expected one without classes or clusters for {STACKED}, "
                f"got {recipe.num_classes}; take one of {known}"
            )
        data_dir = args.data_dir or (checkpoint.data_dir if checkpoint else None)
        digits = load_digits(data_dir)
        stacked = StackedDigits(digits, random_triples(len(digits), N_TRIPLES, config["seed"]))
        return recipe, TrainingData(stacked, None, N_TRIPLES, digest(digits), data_dir)
    split, where = image_split(args, config, checkpoint)
    whole, n = split.whole, len(split.held_out)
    held_out = f"; {n:,} of them are held out of training, to measure against" if n else ""
    say(f"{whole.report}{held_out}")
    recipe = fitted(recipe, whole)
    if remark := unused_classes(recipe, whole):
        say(remark)
    config["held_out"] = n
    return recipe, TrainingData(split, split.labels, len(split), whole.digest, where, split)
