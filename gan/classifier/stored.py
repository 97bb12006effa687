"""The classifier that judges a set of images: trained once, and kept in a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from gan.classifier.image_classifier import classifier_trainer, image_classifier
from gan.classifier.state import ORDER, ClassifierState
from gan.classifier.training import ClassifierTrainer
from gan.data.clusters import find_clusters
from gan.data.images.split import Split
from gan.errors import RunError
from nn import Sequential, WeightsError
from nn.ops.base import Ops
from nn.serialization.archive import open_archive, write_archive

CACHE = "classifiers"  # in the folder of all data sets
FORMAT = 1  # changes with the classifier, its training, or the file
MAX_IMAGES = 50_000  # trained on; a copy of them is held in memory
MAX_CLUSTERS, IMAGES_A_CLUSTER = 50, 40
LABELS, AVERAGE = "labels", "average."
DTYPES = ("float32", "float64", "int64")


class StoredClassifier:
    """The classifier of a split's images, in a file of its own named by a hash of them.

    It is trained on the labels of the images, or, if they have none, on k-means clusters of them.

    Parameters
    ----------
    folder
        Where the file is; created if necessary.
    split
        The images to train on, and those held out.

    Attributes
    ----------
    path
        The file.
    has_classes
        Whether it is trained on labels.
    n_classes
        How many classes or clusters there are.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        self._split = split
        digest = hashlib.sha256(f"{FORMAT} {split.whole.digest}".encode())
        digest.update(split.held_out.tobytes())
        self.path = folder / f"{digest.hexdigest()[:16]}.npz"
        names = split.class_names
        self.has_classes = names is not None
        clusters = max(2, min(MAX_CLUSTERS, len(split) // IMAGES_A_CLUSTER))
        self.n_classes = clusters if names is None else len(names)
        self._labels = split.whole.labels
        self._state: ClassifierState | None = None
        self._is_trained = False
        self._read()

    @property
    def is_trained(self) -> bool:
        """Whether the file holds a classifier whose training has ended."""
        return self._is_trained

    @property
    def labels(self) -> np.ndarray:
        """The class or cluster of each image of the whole set: integers (N,)."""
        if self._labels is None:
            self._labels = find_clusters(self._split.whole.images, self.n_classes, 0)
        return self._labels

    def trainer(self, ops: Ops) -> ClassifierTrainer:
        """A trainer at the step at which training was interrupted, if it was."""
        rows = self._split.rows
        if len(rows) > MAX_IMAGES:
            rows = np.sort(np.random.default_rng(0).choice(rows, MAX_IMAGES, replace=False))
        images, labels = self._split.whole.images[rows], self.labels[rows]
        trainer = classifier_trainer(images, labels, self.n_classes, ops)
        if self._state:
            try:
                trainer.load_state_dict(self._state)
            except RunError:  # of another version: begin again
                trainer = classifier_trainer(images, labels, self.n_classes, ops)
        return trainer

    def save(self, trainer: ClassifierTrainer) -> None:
        """Write the state of training."""
        state = trainer.state_dict()
        self._is_trained = trainer.step_count >= trainer.total_steps
        header = {"format": FORMAT, "rest": state.rest, "is_trained": self._is_trained}
        arrays = state.arrays
        if self._is_trained:  # the rest is needed no more
            arrays = {k: array for k, array in arrays.items() if k.startswith(AVERAGE)}
        self._state = ClassifierState(arrays, state.rest)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_archive(self.path, header, arrays | {LABELS: self.labels.astype(np.int64)})

    def network(self, ops: Ops) -> Sequential:
        """The trained classifier."""
        assert self._is_trained and self._state
        network = image_classifier(self._split.whole.image_shape, self.n_classes)
        network.build(0, device=ops, name="classifier")
        for part in ("value", "statistics"):
            flat = getattr(network.parameters, part).flat
            ops.copy_(flat, ops.asarray(self._state.arrays[f"{AVERAGE}{part}"]))
        return network

    def _read(self) -> None:
        """Read the file, if it is there and whole."""
        if not self.path.exists():
            return
        try:
            with open_archive(self.path, "a classifier") as archive:
                header = archive.header(FORMAT)
                arrays = {name: archive.array(name, dtypes=DTYPES) for name in archive.names}
                labels = arrays.pop(LABELS)
                is_trained, rest = bool(header["is_trained"]), dict(header["rest"])
                is_whole = is_trained or ORDER in arrays
                if labels.shape != (len(self._split.whole),) or not is_whole:
                    raise WeightsError("it is of other images")
        except WeightsError:  # damaged: train again
            return
        self._state, self._is_trained = ClassifierState(arrays, rest), is_trained
        if self._labels is None:
            self._labels = labels
