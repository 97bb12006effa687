"""A data set with its test images, to measure against."""

from __future__ import annotations

from gan.data.datasets import load
from gan.data.images import cifar10
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.runs.starting.training_data import image_set


def dataset_split(name: str, data_dir: str | None, quiet: bool) -> Split:
    """A data set with its test images held out."""
    train, test = (_image_set(name, split, data_dir, quiet) for split in ("train", "test"))
    return Split.joined(train, test)


def _image_set(name: str, split: str, data_dir: str | None, quiet: bool) -> ImageSet:
    if name == cifar10.NAME:
        return cifar10.cifar10(split, data_dir=data_dir, quiet=quiet)
    images, labels = load(name, split, data_dir=data_dir, flat=False, quiet=quiet)
    return image_set(name, images, labels)
