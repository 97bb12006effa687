"""How many of Stacked MNIST's 1,000 kinds of image a generator draws, and how evenly."""

import numpy as np

from gan.classifier.network import CLASSES, logits
from gan.evaluation.digits import kl_to_uniform
from gan.images import grid
from gan.sampling import AT_ONCE
from gan.data.stacked import CHANNELS
from gan.errors import DataError

N_MODES = len(CLASSES) ** CHANNELS
N_SAMPLES = 26_000  # judged, by the protocol


def drawn_triples(sampler, classifier, count, seed, progress=None):
    """The digits, as the classifier names them, in so many images of a `Sampler`: integers (count, 3).

    progress(n): called as n more images are judged.
    """
    inputs, parts = sampler.inputs(count, seed), []
    for i in range(0, count, AT_ONCE):
        parts.append(named_triples(classifier, sampler.images(inputs[i : i + AT_ONCE])))
        if progress:
            progress(len(parts[-1]))
    return np.concatenate(parts)


def named_triples(classifier, images):
    """The digit in each channel of images, floats in [0, 1] (N, 3, 28, 28) or (3 N, 28, 28): integers (N, 3)."""
    digits = np.rint(255 * np.asarray(images)).astype(np.uint8).reshape(-1, 1, 28, 28)
    return logits(classifier, digits).argmax(axis=1).reshape(-1, CHANNELS)


def modes(triples):
    """Triples of digits (N, 3) -> how many of the 1,000 occur, and the reverse KL in nats.

    KL(p || u) = sum_k p_k log(1000 p_k), p the share of each triple in N, and u all alike, as PacGAN's code has it. Of N
    draws from u itself it is about 999 / 2N: 0.019 of 26,000. Errors: `DataError` for anything but triples of digits.
    """
    triples = np.asarray(triples)
    if triples.ndim != 2 or triples.shape[1] != CHANNELS or triples.dtype.kind not in "iu" or not len(triples):
        raise DataError(f"triples: expected digits of shape (N, {CHANNELS}), got {triples.dtype} {triples.shape}")
    if not 0 <= triples.min() <= triples.max() < len(CLASSES):
        raise DataError(f"triples: expected digits in 0..{len(CLASSES) - 1}, got {triples.min()}..{triples.max()}")
    counts = np.bincount(np.ravel_multi_index(triples.T, (len(CLASSES),) * CHANNELS), minlength=N_MODES)
    return int((counts > 0).sum()), kl_to_uniform(counts / len(triples))


def colour_grid(images):
    """Lay images out in rows, their channels red, green and blue: floats in [0, 1] (N, 3, 28, 28) -> uint8 (H, W, 3)."""
    return np.stack([grid(channel) for channel in np.moveaxis(images, 1, 0)], axis=-1)


def table(rows):
    """`rows`, dicts with what was run and what came of it, as lines of text."""
    cells = [("recipe", "images seen", "samples judged", f"modes of {N_MODES:,}", "reverse KL")]
    for row in rows:
        cells.append(
            (row["recipe"], f"{row['images_seen']:,}", f"{row['samples']:,}", f"{row['modes']:,}", f"{row['reverse_kl']:.4f}")
        )
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join(
        "  ".join([f"{first:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:]))])
        for first, *rest in cells
    )
