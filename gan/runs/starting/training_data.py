"""The training images of `byhand train`, and those that it holds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.data.batches import BatchSource
from gan.data.datasets import load
from gan.data.held_out import default_split, hold_out
from gan.data.image_shapes import POINTS
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
from gan.runs.starting.own_images import Places, fitted, image_split, unused_classes

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
        How many there are, with those of MNIST's format that are held out.
    digest
        A hash of the data, which a resumed run compares.
    data_dir
        Where they are, for a resumed run.
    split
        CIFAR-10 or the user's own images, and which of them are held out.
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
    def n_trained(self) -> int:
        """How many images the run trains on."""
        return self.n_images - (0 if self.digits is None else len(self.digits))

    @property
    def n_in_epoch(self) -> int:
        """How many images an epoch goes through: of few points, each several times."""
        return self.images.epoch if isinstance(self.images, PointSet) else self.n_trained

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
    if config["dataset"] not in DIGIT_DATASETS:
        _check_held_out(config)
    if config["dataset"] in SOURCES:
        whole, labels = _digits(config["dataset"], data_dir, args.quiet, checkpoint)
        images, labels, digits = _split_digits(whole, labels, config, is_new=checkpoint is None)
        return recipe, TrainingData(
            images, labels, len(whole), digest(whole), data_dir, digits=digits
        )
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
    config["held_out"] = n
    return recipe, TrainingData(split, split.labels, len(split), own.digest, where, split)


def _split_digits(
    images: np.ndarray, labels: np.ndarray, config: dict[str, Any], *, is_new: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The digits to train on, their labels, and those held out, or None.

    The number held out is written into the settings of a new run.
    """
    if is_new and config["patience"] and config["validation"] is None:
        config["validation"] = default_split(len(images))
    if config["validation"] is None:
        return images, labels, None
    return hold_out(images, labels, config["validation"])  # type: ignore[return-value]


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


def _check_held_out(config: dict[str, Any]) -> None:
    """Raise `RunError` for --validation or --patience on images that do not allow it."""
    if config["validation"]:
        raise RunError(
            "--validation: expected a dataset of digits, got other images; do without it: some of "
            "your own images are held out anyway"
        )
    if config["patience"] and config["dataset"]:
        raise RunError(
            "--patience: expected digits or images of your own, of which some are held out, got "
            f"{config['dataset']}; do without it"
        )
