"""Early stopping of `byhand train`, and the images held out for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gan.commands.shared.command_line import Parser, positive_int
from gan.data.held_out import check_split, default_split, hold_out
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.runs.run import Run

Say = Callable[..., object]


def add_early_stopping(parser: Parser) -> None:
    """Add --patience and --validation."""
    add = parser.add_argument
    add(
        "--patience",
        type=positive_int,
        metavar="N",
        help="stop after N measurements of FID in a row without a new minimum, on training images "
        "that are held out (default: never)",
    )
    add(
        "--validation",
        type=positive_int,
        metavar="N",
        help="hold N training images of a data set out and measure FID on them, not on test images "
        "(default: with --patience a tenth, at most 10,000)",
    )


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


def fids(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """The FIDs measured so far, in order."""
    return [row["fid"] for row in measured(history)]


def measured(history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with a FID."""
    return [row for row in history if row.get("fid") is not None]


def print_best(run: Run, n_held_out: int, say: Say) -> None:
    """Print the lowest FID of a run whose FID is measured on images held out, and its step."""
    if rows := measured(run.history):
        fid, step = min((row["fid"], row["step"]) for row in rows)
        say(
            f"best FID {fid:.3f}, after step {step:,}, on {n_held_out:,} images held out: its "
            f"weights are in {run.path / 'best.npz'}"
        )
