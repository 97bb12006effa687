"""Which training images of a data set are held out, to measure against while training."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.data.held_out import check_split, default_split, hold_out
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.data.stacked import NAME as STACKED
from gan.errors import RunError


def split_digits(
    images: np.ndarray, labels: np.ndarray, config: dict[str, Any], *, is_new: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The digits to train on, their labels, and those held out, or None.

    The number held out is written into the settings of a new run.
    """
    n = _n_held_out(len(images), config, is_new)
    if n is None:
        return images, labels, None
    return hold_out(images, labels, n)  # type: ignore[return-value]


def split_dataset(images: ImageSet, config: dict[str, Any], *, is_new: bool) -> Split:
    """The training images of another data set, of which some are held out, or none.

    The number held out is written into the settings of a new run.
    """
    n = _n_held_out(len(images), config, is_new)
    return Split(images) if n is None else Split.of(images, n)


def _n_held_out(n_images: int, config: dict[str, Any], is_new: bool) -> int | None:
    """How many training images of a data set are held out; None where test images are used."""
    if is_new and config["patience"] and config["validation"] is None:
        config["validation"] = default_split(n_images)
    n: int | None = config["validation"]
    if n is not None:
        check_split(n, n_images)
    return n


def check_held_out(config: dict[str, Any]) -> None:
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
