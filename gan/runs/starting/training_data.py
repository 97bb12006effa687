"""The training images of `byhand train`, and those that it holds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.data.batches import BatchSource
from gan.data.datasets import load
from gan.data.image_shapes import POINTS, in_words
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.data.points.files import is_point_file, read_points
from gan.data.points.patterns import PATTERNS, pattern
from gan.data.points.point_set import PointSet
from gan.data.sources import DIGIT_DATASETS, SOURCES
from gan.data.stacked import N_TRIPLES, StackedDigits, random_triples
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import STACKED_DIGITS, recipes_for
from gan.runs.checkpoint import Checkpoint
from gan.runs.resume import check_data, digest, fallback_dataset
from gan.runs.settings import SOURCE
from gan.runs.starting.holding_out import check_held_out, split_dataset, split_digits
from gan.runs.starting.own_images import (
    DIGITS_PER_CLUSTER,
    Places,
    fitted,
    image_split,
    unused_classes,
    with_clusters,
)

Say = Callable[..., object]


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
        Images of MNIST's format that are held out, or None.
    what
        "images" or "points".
    """

    images: np.ndarray | BatchSource
    labels: np.ndarray | None
    n_images: int
    digest: str
    data_dir: str | None
    split: Split | None = None
    digits: np.ndarray | None = None
    what: str = "images"

    @property
    def n_in_epoch(self) -> int:
        """How many images an epoch goes through: of few points, each several times."""
        return self.images.epoch if isinstance(self.images, PointSet) else self.n_images

    @property
    def n_held_out(self) -> int:
        """How many images are held out."""
        if self.digits is not None:
            return len(self.digits)
        return len(self.split.held_out) if self.split else 0


def training_data(
    args: Places,
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
    recipe: Recipe,
    say: Say,
) -> tuple[Recipe, TrainingData]:
    """Read the images that a run trains on, and fit the recipe to them.

    Parameters
    ----------
    args
        Where the data are.
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
    path = path_of_points(args, config, checkpoint)
    if path or config["dataset"] in PATTERNS:
        return recipe.for_images(POINTS), _points(path, config, checkpoint)
    data_dir = args.data_dir or (checkpoint.data_dir if checkpoint else None)
    check_held_out(config)
    if config["dataset"] in SOURCES:
        whole, labels = _digits(config["dataset"], data_dir, args.quiet, checkpoint)
        data, is_new = digest(whole), checkpoint is None
        recipe = with_clusters(
            recipe, len(whole), config, is_new=is_new, per_cluster=DIGITS_PER_CLUSTER
        )
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
    if recipe.num_classes and recipe.clusters_per_image == 1:
        known = ", ".join(recipes_for(STACKED_DIGITS))
        raise RunError(
            f"recipe {recipe.name}: expected one without classes or clusters of whole images for "
            f"{STACKED}, got {recipe.num_classes}; take one of {known}"
        )
    digits, _ = _digits("mnist", data_dir, quiet, checkpoint)
    stacked = StackedDigits(digits, random_triples(len(digits), N_TRIPLES, config["seed"]))
    return TrainingData(stacked, None, N_TRIPLES, digest(digits), data_dir)


def path_of_points(
    args: Places, config: Mapping[str, Any], checkpoint: Checkpoint | None
) -> str | None:
    """The file of the user's own points; None if the data are others."""
    if config["dataset"]:
        return None
    kept = checkpoint.data_dir if checkpoint else None
    path = args.data or kept or config["source"]["name"]
    return path if is_point_file(path) else None


def _points(
    path: str | None, config: dict[str, Any], checkpoint: Checkpoint | None
) -> TrainingData:
    """A pattern, or the user's own points; "square" is added to the settings, where they lie."""
    points = read_points(path) if path else PointSet(pattern(config["dataset"]), config["dataset"])
    source = config.get("source") or {}
    options = {name: source.get(name) for name in SOURCE}
    options |= {name: config[name] for name in ("validation", "patience", "evaluate_every")}
    for name, value in options.items():
        if value is not None:
            raise RunError(
                f"--{name.replace('_', '-')}: expected images with it, got the points of "
                f"{points.name}; do without it"
            )
    check_data(checkpoint, points.digest, path)
    config["square"] = list(points.square)
    return TrainingData(points, None, len(points), points.digest, path, what="points")
