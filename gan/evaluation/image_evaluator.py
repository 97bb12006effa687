"""Judging images of any kind: on the features of a classifier trained on the same data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.classifier.network import AT_ONCE, as_input
from gan.classifier.stored import StoredClassifier
from gan.data.image_shapes import ImageShape
from gan.data.images.split import Split
from gan.errors import DataError
from gan.evaluation.fid import fid
from gan.evaluation.precision_recall import precision_recall
from gan.evaluation.samples import as_pixels
from nn import Sequential
from nn.ops.base import Ops

NEIGHBOURS = 3  # of precision and recall
FEWEST = NEIGHBOURS + 1  # images in each set that is compared

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Seen:
    """What the classifier makes of images: features (N, F), and their classes, integers (N,)."""

    features: np.ndarray
    classes: np.ndarray


class ImageEvaluator:
    """Measures images against one half of those held out of training.

    The other half, measured in the same way, is the floor. Samples should be as many as it has,
    `count`, since FID depends on the number of images.

    Parameters
    ----------
    classifier
        An `image_classifier`, trained on the training images.
    held_out
        uint8 (N, C, H, W), in a random order.
    labels
        Their classes, integers (N,); those of clusters if there are no labels.
    progress
        Called as progress(n) when n more images are done.

    Attributes
    ----------
    n_held_out, count
        How many images are held out, and how many are in each half.
    accuracy
        The share of the held-out images that the classifier assigns to their class.
    guessing
        That share if all are assigned to the most frequent class.
    """

    def __init__(
        self,
        classifier: Sequential,
        held_out: np.ndarray,
        labels: np.ndarray,
        progress: Progress | None = None,
    ) -> None:
        self.count = half_of(len(held_out))
        self.n_held_out = len(held_out)
        self._body, self._head = classifier[:-1], classifier[-1:]
        self.image_shape: ImageShape = held_out.shape[1:]
        seen = self.look(held_out, progress)
        self.accuracy = float((seen.classes == labels).mean())
        self.guessing = float(np.bincount(labels).max() / len(labels))
        self._reference = seen.features[: self.count]
        rest = slice(self.count, 2 * self.count)
        self.floor_images, self.floor_labels = held_out[rest], labels[rest]
        self._floor = Seen(seen.features[rest], seen.classes[rest])

    def look(self, images: np.ndarray, progress: Progress | None = None) -> Seen:
        """What the classifier makes of images: uint8 (N, C, H, W), or pictures of a generator."""
        images = as_pixels(images, self.image_shape)
        ops, cache = self._body.ops, self._body.cache(tracks_statistics=False)
        features, classes = [], []
        for i in range(0, len(images), AT_ONCE):
            x = as_input(images[i : i + AT_ONCE], self._body)
            y = self._body.forward(x, cache)
            features.append(np.array(ops.to_host(y)))
            classes.append(ops.to_host(self._head(y)).argmax(axis=1))
            if progress:
                progress(len(x))
        return Seen(np.concatenate(features), np.concatenate(classes))

    def fid(self, images: np.ndarray) -> float:
        """The Frechet distance between images and one half of those held out."""
        return fid(self.look(images).features, self._reference)

    def evaluate(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Measure images.

        Parameters
        ----------
        images
            What `as_pixels` takes.
        labels
            The class that each was to show, integers (N,), or None.
        progress
            Called as progress(n) when n more images are done.

        Returns
        -------
        dict
            fid, precision, recall and, with labels, recognised: the share of images that are
            assigned to the class they were to show.
        """
        return self._metrics(self.look(images, progress), labels)

    def floor(self, n: int, has_labels: bool) -> dict[str, Any]:
        """The same figures of n images, at most `count`, of the other half of those held out."""
        seen = Seen(self._floor.features[:n], self._floor.classes[:n])
        return self._metrics(seen, self.floor_labels[:n] if has_labels else None)

    def _metrics(self, seen: Seen, labels: np.ndarray | None) -> dict[str, Any]:
        precision, recall = precision_recall(self._reference, seen.features, NEIGHBOURS)
        metrics: dict[str, Any] = {
            "fid": fid(seen.features, self._reference),
            "precision": precision,
            "recall": recall,
        }
        if labels is not None:
            metrics["recognised"] = float((seen.classes == labels).mean())
        return metrics


def image_evaluator(
    stored: StoredClassifier, split: Split, ops: Ops, progress: Progress | None = None
) -> ImageEvaluator:
    """The evaluator of a split's images, with their trained classifier."""
    images, labels = split.whole.images[split.held_out], stored.labels[split.held_out]
    return ImageEvaluator(stored.network(ops), images, labels, progress)


def half_of(n_held_out: int) -> int:
    """How many images are in each half; `DataError` if they are too few to measure against."""
    if n_held_out < 2 * FEWEST:
        raise DataError(
            f"images: expected at least {2 * FEWEST} held out of training, to measure against, got "
            f"{n_held_out}; give more images"
        )
    return n_held_out // 2
