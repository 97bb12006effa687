"""Samples beside the training images nearest to them: `byhand evaluate --neighbours`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan.commands.shared.outputs import named
from gan.commands.shared.progress import TIME_FORMAT
from gan.data.images.split import Split
from gan.evaluation.nearest import nearest_images
from gan.images import grid, save_picture

COMPARED = 1_000  # samples, and images held out, at most
FIRST, CLOSEST = 5, 10  # rows of the picture: of the first samples, and of those nearest to one
NEIGHBOURS = 7  # training images in each row


def show_neighbours(
    samples: np.ndarray,
    split: Split,
    path: Path,
    quiet: bool,
    say: Callable[..., object],
) -> dict[str, Any]:
    """Draw the picture, and print how near samples are to training images.

    Each row begins with a sample; its nearest training images follow. FIRST rows are those of the
    first samples, CLOSEST rows those of the others nearest to a training image, where copies would
    be.

    Parameters
    ----------
    samples
        uint8 (N, C, H, W).
    split
        The data.
    path
        The PNG to write.
    quiet
        Whether to hide the progress bar.
    say
        Prints a line.

    Returns
    -------
    dict
        The figures, for a report.
    """
    rows, training = split.rows, split.whole.images
    held_out = training[split.held_out[:COMPARED]]
    n = min(NEIGHBOURS, len(rows))
    total = len(rows) * (2 if len(held_out) else 1)
    with tqdm(
        desc="neighbours", total=total, bar_format=TIME_FORMAT, disable=quiet, leave=False
    ) as bar:
        ours = nearest_images(samples[:COMPARED], training, rows, n, bar.update)
        theirs = nearest_images(held_out, training, rows, 1, bar.update) if len(held_out) else None
    nearest = ours.distances[:, 0]
    closest = np.argsort(nearest, kind="stable")
    first = np.arange(min(FIRST, len(nearest)))
    shown = [*first, *closest[~np.isin(closest, first)][:CLOSEST]]
    images = [each for row in shown for each in (samples[row], *training[ours.rows[row]])]
    with named(path):
        save_picture(path, grid(np.stack(images) / 255, 1 + n))
    report = {
        "compared": len(nearest),
        "median_distance": float(np.median(nearest)),
        "least_distance": float(nearest.min()),
    }
    text = f"the nearest training image of a sample is {report['median_distance']:.1f} away"
    if theirs:
        report["held_out_median_distance"] = float(np.median(theirs.distances))
        report["held_out_least_distance"] = float(theirs.distances.min())
        text += f", that of an image held out {report['held_out_median_distance']:.1f}"
    say(f"{text} (medians, in grey levels of 0 to 255)")
    least = f"the least distance of {len(nearest):,} samples is {report['least_distance']:.1f}"
    if theirs:
        least += f", of {len(held_out):,} images held out {report['held_out_least_distance']:.1f}"
    say(f"{least}; near 0, a sample is a copy")
    say(f"{path}: samples, each with its nearest training images to the right")
    return report
