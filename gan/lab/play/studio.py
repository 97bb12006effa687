"""The generators that pages play with, each read once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.classifier.network import probabilities
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.lab.listing import Listing, WeightsFile
from gan.lab.play.directions import Directions, leading_directions
from gan.lab.play.generator import PlayedGenerator
from gan.lab.play.neighbours import NearestImages
from gan.lab.play.training_images import training_images
from nn import ByhandError, Sequential
from nn.ops.base import Ops

KEPT = 3  # generators in memory


class Played:
    """A generator on the page, its directions, and its training images once they are read.

    Parameters
    ----------
    file
        The weights file.
    ops
        The backend.
    """

    def __init__(self, file: WeightsFile, ops: Ops) -> None:
        self.generator = PlayedGenerator.load(file.path, ops)
        self.directions: Directions = leading_directions(self.generator.sampler)
        self.neighbours: NearestImages | None = None
        self.data_name, self.why_no_neighbours = "", "reading the training images"
        self._run = file.run
        self.reading = threading.Thread(target=self._read, daemon=True)
        self.reading.start()

    def _read(self) -> None:
        """Read the training images, in a thread of its own."""
        sampler = self.generator.sampler
        try:
            images, name = training_images(self.generator.description, self._run)
            shape = np.shape(self.generator.images(*self.generator.draw(1, 0, None)))[1:]
            if images.shape[1:] != shape:
                self.why_no_neighbours = (
                    f"{name}: expected images of {sampler.image_shape}, got {images.shape[1:]}"
                )
                return
            self.data_name, self.neighbours = name, NearestImages(images)
        except (ByhandError, OSError, MemoryError) as problem:
            self.why_no_neighbours = str(problem)


class Studio:
    """Opens generators, and keeps the latest in memory.

    Parameters
    ----------
    listing
        What may be opened.
    ops
        The backend that generators run on.
    """

    def __init__(self, listing: Listing, ops: Ops) -> None:
        self._listing, self._ops = listing, ops
        self._opened: OrderedDict[tuple[Path, int], Played] = OrderedDict()
        self._lock = threading.Lock()
        self._classifier: Sequential | None = None

    def open(self, name: str) -> Played:
        """The generator of a listed weights file, read again when the file has changed.

        Raises
        ------
        RunError, WeightsError
            If it is not listed, or cannot be read.
        """
        file = self._listing.weights_file(name)
        key = file.path, file.path.stat().st_mtime_ns
        with self._lock:
            if key not in self._opened:
                self._opened[key] = Played(file, self._ops)
            self._opened.move_to_end(key)
            while len(self._opened) > KEPT:
                self._opened.popitem(last=False)
            return self._opened[key]

    def digit_probabilities(self, image: np.ndarray) -> np.ndarray:
        """The classifier's probability of each digit, float32 (10,), for a uint8 image (28, 28)."""
        with self._lock:
            if self._classifier is None:
                self._classifier = load_feature_extractor(self._ops)
        return probabilities(self._classifier, image[None, None])[0].astype(np.float32)
