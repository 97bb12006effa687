"""The data that `byhand evaluate` measures against: those of the run, or those options name."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gan.data.image_shapes import ImageShape
from gan.data.images.arrays import is_array_file
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.errors import RunError
from gan.runs.checkpoint import NAME, read_checkpoint
from gan.runs.resume import check_data
from gan.runs.settings import SOURCE
from gan.runs.starting.own_images import own_images
from nn import WeightsError


def dataset_of(args: Namespace, training: Mapping[str, Any]) -> str | None:
    """The name of the data set, or None for images of the user's own.

    Parameters
    ----------
    args
        With dataset and data, each None unless given.
    training
        The settings of the run, or nothing.
    """
    if args.data:
        return None
    dataset = args.dataset or training.get("dataset", "mnist")
    return dataset if isinstance(dataset, str) else None


def own_split(
    args: Namespace, training: Mapping[str, Any], image_shape: ImageShape | None
) -> tuple[Split, str]:
    """The user's own images, and a remark about them.

    They are read as the run read them, except for what options say.

    Parameters
    ----------
    args
        With weights, data, and the options of `add_own_images`.
    training
        The settings of the run, or nothing.
    image_shape
        That of the generator, or None.

    Raises
    ------
    RunError
        If it is not known where the images are, or they are not those of the run although no option
        names others.
    """
    source = training.get("source")
    source = source if isinstance(source, dict) else {}
    how = {name: source.get(name) for name in SOURCE}
    how |= {name: getattr(args, name) for name in SOURCE if getattr(args, name) is not None}
    path = args.data or _kept_path(args.weights)
    if path is None:
        raise RunError(
            f"--data: expected it with {args.weights}, whose run was trained on images of your "
            f"own{_named(source)}, got none; name them with --data"
        )
    if is_array_file(path):
        how = {name: getattr(args, name) for name in SOURCE}
    elif image_shape is not None:
        channels, height, _ = image_shape
        how["size"], how["channels"] = how["size"] or height, how["channels"] or channels
    images = own_images(path, how, args.data_dir, args.quiet)
    is_same = training.get("data") in (images.digest, _unlabelled(images).digest)
    if training.get("data") and not is_same and not args.data:
        config = dict(training)
        check_data(_Settings(config), images.digest, path)
    remark = ""
    if training.get("data") and not is_same:
        remark = "these are not the images of the run"
    elif is_same and not training.get("held_out"):
        remark = "the run was trained on all of them, so those held out here are not new to it"
    return Split.of(images), remark


class _Settings:
    """The settings of a run, as `check_data` takes them."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config


def _unlabelled(images: ImageSet) -> ImageSet:
    return replace(images, labels=None, class_names=None)


def _kept_path(weights: str | None) -> str | None:
    """Where the images were, as the checkpoint beside the weights says."""
    if weights is None:
        return None
    try:
        return read_checkpoint(Path(weights).parent / NAME).data_dir
    except WeightsError:
        return None


def _named(source: Mapping[str, Any]) -> str:
    name = source.get("name")
    return f", {name}," if isinstance(name, str) else ""
