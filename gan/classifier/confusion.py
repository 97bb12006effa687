"""The confusion matrix of a classifier, and its picture."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

import numpy as np

from gan.classifier.network import CLASSES, logits
from nn import Sequential
from nn.serialization.files import atomic_write

VMAX = 1.5  # times the largest count: the darkest shade stays light enough for its number


def confusion_matrix(network: Sequential, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count how images of each class are classified.

    Parameters
    ----------
    network
        A digit classifier.
    images
        uint8 (N, 1, 28, 28).
    labels
        Integers (N,).

    Returns
    -------
    ndarray
        int64 (10, 10): counts[t, p] images of class t are classified as p.
    """
    predicted = logits(network, images).argmax(axis=1)
    counts = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def accuracy(counts: np.ndarray) -> float:
    """The share of images on the diagonal of a confusion matrix."""
    return float(np.trace(counts) / counts.sum())


def save_confusion(
    path: str | os.PathLike[str], counts: np.ndarray, classes: Sequence[str]
) -> None:
    """Write a confusion matrix as a PNG: the count in each cell, and a shade for mistakes.

    The diagonal has no shade: beside thousands of correct images, all mistakes would be equally
    pale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    total, correct = int(counts.sum()), int(np.trace(counts))
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    figure = Figure(figsize=(7, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(1, VMAX * int(mistakes.max())))
    for (true, predicted), count in np.ndenumerate(counts):
        if count:
            text = axes.text(predicted, true, f"{count:,}", ha="center", va="center", fontsize=9)
            if true == predicted:
                text.set_fontweight("bold")
    ticks = range(len(classes))
    axes.set(xticks=ticks, yticks=ticks, xticklabels=classes, yticklabels=classes)
    axes.set(xlabel="predicted", ylabel="true")
    share = 100 * correct / max(total, 1)
    axes.set_title(f"{correct:,} of {total:,} correct ({share:.2f}%), {total - correct:,} wrong")
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    with atomic_write(path) as file:
        file.write(png.getvalue())
