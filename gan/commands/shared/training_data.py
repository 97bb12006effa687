"""The training images of `byhand train`, and those that it holds out."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gan.commands.shared.early_stopping import split_dataset, split_digits
from gan.commands.shared.own_images import fitted, image_split, unused_classes
from gan.data.batches import BatchSource
from gan.data.datasets import load
from gan.data.image_shapes import in_words
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.data.sources import DIGIT_DATASETS, SOURCES
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import STACKED_DIGITS, recipes_for
from gan.runs.checkpoint import Checkpoint
from gan.runs.resume import check_data, digest, fallback_dataset

Say = Callable[..., object]
# Of 1,600 images in 200 clusters, 24% were in clusters of fewer than 8. Of 200 samples, 38 were
# nearer than 30 grey levels to a training image; for 37 of them it was of such a cluster.
PER_CLUSTER = 50  # images; MNIST's sample has as many
LEAST_CLUSTERS = 10


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
        How many the run trains on.
    digest
        A hash of the data, which a resumed run compares.
    data_dir
        Where they are, for a resumed run.
    split
        Images that are not digits, and which of them are held out; None for images of MNIST's
        format of which none is.
    digits
        Digits that are held out, or None.
    """

    images: np.ndarray | BatchSource
    labels: np.ndarray | None
    n_images: int
    digest: str
    data_dir: str | None
    split: Split | None = None
    digits: np.ndarray | None = None

    @property
    def n_held_out(self) -> int:
        """How many images are held out."""
        if self.digits is not None:
            return len(self.digits)
        return len(self.split.held_out) if self.split else 0


def training_data(
    args: Namespace,
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
    recipe: Recipe,
    say: Say,
) -> tuple[Recipe, TrainingData]:
    """Read the images that a run trains on, and fit the recipe to them.

    Parameters
    ----------
    args
        Of `byhand train`.
    config
        The settings of the run; "validation" or "held_out" is added, the number of images held out.
    checkpoint
        Of the run to resume; None for a new run.
    recipe
        The run's.
    say
        Prints a line.

    Raises
    ------
    RunError
        If the recipe does not fit the images, or none can be held out of them.
    """
    data_dir = args.data_dir or (checkpoint.data_dir if checkpoint else None)
    _check_held_out(config)
    if config["dataset"] in SOURCES:
        whole, labels = _digits(config["dataset"], data_dir, args.quiet, checkpoint)
        data, is_new = digest(whole), checkpoint is None
        if config["dataset"] in DIGIT_DATASETS:
            images, labels, digits = split_digits(whole, labels, config, is_new=is_new)
            return recipe, TrainingData(images, labels, len(images), data, data_dir, digits=digits)
        if not (config["validation"] or config["patience"]):
            return recipe, TrainingData(whole, labels, len(whole), data, data_dir)
        split = split_dataset(image_set(config["dataset"], whole, labels), config, is_new=is_new)
        return recipe, TrainingData(split, split.labels, len(split), data, data_dir, split)
    if config["dataset"] == STACKED:
        return recipe, _stacked(data_dir, args.quiet, config, checkpoint, recipe)
    split, where = image_split(args, config, checkpoint)
    own, n = split.whole, len(split.held_out)
    if config["patience"] and not n:
        raise RunError(
            f"--patience: expected images of which some can be held out, got {len(own):,}, all "
            "of which are trained on; give more images, in another run, or do without it"
        )
    held_out = f"; {n:,} of them are held out of training, to measure against" if n else ""
    say(f"{own.report}{held_out}")
    recipe = fitted(recipe, own)
    if remark := unused_classes(recipe, own):
        say(remark)
    recipe = with_clusters(recipe, len(split), config, is_new=checkpoint is None)
    config["held_out"] = n
    return recipe, TrainingData(split, split.labels, len(split), own.digest, where, split)


def with_clusters(recipe: Recipe, n_images: int, config: dict[str, Any], *, is_new: bool) -> Recipe:
    """A recipe with clusters, with fewer of them for few images; other recipes as they are.

    The generator copies the images of a cluster that has only some. The number of clusters is
    written into the settings of a new run; runs of earlier versions have as many as the recipe.
    """
    if not recipe.clusters:
        return recipe
    if is_new:
        config["clusters"] = min(recipe.clusters, max(LEAST_CLUSTERS, n_images // PER_CLUSTER))
    clusters = config.get("clusters", recipe.clusters)
    if not isinstance(clusters, int) or not 1 <= clusters <= recipe.clusters:
        raise RunError(
            f"clusters: expected 1 to {recipe.clusters} in the settings of the run, got "
            f"{clusters!r:.80}; no run wrote them"
        )
    return replace(recipe, clusters=clusters)


def image_set(name: str, images: np.ndarray, labels: np.ndarray) -> ImageSet:
    """The images of a data set in MNIST's format as a set.

    Parameters
    ----------
    name
        The data set's.
    images
        uint8 (N, 1, H, W).
    labels
        Integers (N,) in 0..9.
    """
    names = tuple(map(str, range(10)))
    report = f"{name}: {len(images):,} images of {in_words(images.shape[1:])}; {len(names)} classes"
    return ImageSet(images, labels.astype(np.int64), names, report)


def _digits(
    dataset: str, data_dir: str | None, quiet: bool, checkpoint: Checkpoint | None
) -> tuple[np.ndarray, np.ndarray]:
    """Images of MNIST's format and their labels; for a resumed run, those it was trained on."""
    images, labels = load(dataset, "train", data_dir=data_dir, flat=False, quiet=quiet)
    if sample := fallback_dataset(checkpoint, digest(images)):
        images, labels = load(sample, "train", flat=False)
    check_data(checkpoint, digest(images))
    return images, labels


def _stacked(
    data_dir: str | None,
    quiet: bool,
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
    recipe: Recipe,
) -> TrainingData:
    """Triples of MNIST's digits."""
    if recipe.num_classes:
        known = ", ".join(recipes_for(STACKED_DIGITS))
        raise RunError(
            f"recipe {recipe.name}: expected one without classes or clusters for {STACKED}, "
            f"got {recipe.num_classes}; take one of {known}"
        )
    digits, _ = _digits("mnist", data_dir, quiet, checkpoint)
    stacked = StackedDigits(digits, random_triples(len(digits), N_TRIPLES, config["seed"]))
    return TrainingData(stacked, None, N_TRIPLES, digest(digits), data_dir)


def _check_held_out(config: dict[str, Any]) -> None:
    """Raise `RunError` for --validation or --patience on images that do not allow it."""
    if config["validation"] and not config["dataset"]:
        raise RunError(
            "--validation: expected a data set, got images of your own; do without it: some of "
            "them are held out anyway"
        )
    for name in ("validation", "patience"):
        if config[name] and config["dataset"] == STACKED:
            raise RunError(
                f"--{name}: expected images that have a FID, got {STACKED}, whose modes are "
                "counted; do without it"
            )
