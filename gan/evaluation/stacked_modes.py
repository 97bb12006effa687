"""How many of Stacked MNIST's 1,000 modes a generator covers, and how evenly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gan.classifier.network import CLASSES, logits
from gan.data.stacked import CHANNELS
from gan.errors import DataError
from gan.evaluation.class_metrics import kl_to_uniform
from gan.sampling import AT_ONCE, Sampler
from nn import Sequential

N_MODES = len(CLASSES) ** CHANNELS
N_SAMPLES = 26_000  # evaluated, by the protocol of PacGAN (Lin et al. 2018)


def sample_triples(
    sampler: Sampler,
    classifier: Sequential,
    count: int,
    seed: int,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Draw images and classify their channels.

    Parameters
    ----------
    sampler
        Draws the images.
    classifier
        Classifies digits.
    count
        How many images.
    seed
        Of the images' noise.
    progress
        Called as progress(n) when n more images are classified.

    Returns
    -------
    ndarray
        The digit in each channel, integers (count, 3).
    """
    inputs, parts = sampler.inputs(count, seed), []
    for i in range(0, count, AT_ONCE):
        images = sampler.images(inputs[i : i + AT_ONCE])
        parts.append(classify_triples(classifier, np.moveaxis(images, -1, 1)))
        if progress:
            progress(len(parts[-1]))
    return np.concatenate(parts)


def classify_triples(classifier: Sequential, images: ArrayLike) -> np.ndarray:
    """The digit in each channel of images, integers (N, 3).

    images: floats in [0, 1], (N, 3, 28, 28).
    """
    digits = np.rint(255 * np.asarray(images)).astype(np.uint8).reshape(-1, 1, 28, 28)
    return logits(classifier, digits).argmax(axis=1).reshape(-1, CHANNELS)


def modes(triples: ArrayLike) -> tuple[int, float]:
    """Count the modes among triples of digits, and measure how evenly they are covered.

    KL(p || u) = sum_k p_k log(1000 p_k), with p_k the share of each triple and u uniform, as in
    PacGAN's code. For N draws from u itself it is about 999 / 2N: 0.019 for 26,000.

    Parameters
    ----------
    triples
        Digits, integers (N, 3).

    Returns
    -------
    count : int
        How many of the 1,000 triples occur.
    reverse_kl : float
        KL(p || u), in nats.

    Raises
    ------
    DataError
        For anything but triples of digits.
    """
    triples = np.asarray(triples)
    if (
        triples.ndim != 2
        or triples.shape[1] != CHANNELS
        or triples.dtype.kind not in "iu"
        or not len(triples)
    ):
        raise DataError(
            f"triples: expected digits of shape (N, {CHANNELS}), got {triples.dtype} "
            f"{triples.shape}; take them from classify_triples"
        )
    if not 0 <= triples.min() <= triples.max() < len(CLASSES):
        raise DataError(
            f"triples: expected digits in 0..{len(CLASSES) - 1}, got "
            f"{triples.min()}..{triples.max()}; take them from classify_triples"
        )
    counts = np.bincount(
        np.ravel_multi_index(triples.T, (len(CLASSES),) * CHANNELS), minlength=N_MODES
    )
    return int((counts > 0).sum()), kl_to_uniform(counts / len(triples))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Results as lines of text; a row has images, a name, number, modes and reverse_kl."""
    cells: list[tuple[str, ...]] = [
        ("images", "number", f"modes of {N_MODES:,}", "reverse KL, nats")
    ]
    for row in rows:
        counts = [f"{row[key]:,}" for key in ("number", "modes")]
        cells.append((row["images"], *counts, f"{row['reverse_kl']:.4f}"))
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for name, *rest in cells:
        right = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:]))
        lines.append("  ".join([f"{name:<{widths[0]}}", *right]))
    return "\n".join(lines)
