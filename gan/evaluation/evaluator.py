"""The feature extractor together with the test images that everything is measured against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from gan.classifier.network import AT_ONCE
from gan.evaluation.feature_extractor import load_feature_extractor
from gan.evaluation.fid import frechet_distance, moments
from gan.evaluation.samples import as_images
from nn.ops.base import Ops
from nn.underflow import quiet

Progress = Callable[[int], object]


class Evaluator:
    """Measures images against test images, whose features it computes once.

    `Evaluator(test_images).fid(images)` is the cheap way to watch a run: only the forward pass
    over `images` is left to do. Images are uint8 in 0..255 or floats in [0, 1], (N, 28, 28), (N,
    1, 28, 28) or (N, 784).

    Parameters
    ----------
    test_images
        Images, as above.
    device
        "cpu", "cuda" and so on, or a backend: where the features are computed.
    progress
        Called as progress(n) when n more test images are done.

    Raises
    ------
    DataError
        If images are not as above.
    WeightsError
        If the classifier's file is not the one that comes with the package.
    """

    def __init__(
        self, test_images: ArrayLike, device: str | Ops = "cpu", progress: Progress | None = None
    ) -> None:
        self._network = load_feature_extractor(device)
        self._body, self._head = self._network[:-1], self._network[-1:]
        self.test_images = as_images(test_images)
        self.test_features = self.features(self.test_images, progress)
        self._test_moments = moments(self.test_features)

    def features(self, images: ArrayLike, progress: Progress | None = None) -> np.ndarray:
        """The inputs of the classifier's last layer.

        Parameters
        ----------
        images
            Images, as above.
        progress
            Called as progress(n) when n more images are done.

        Returns
        -------
        ndarray
            float32 (N, 128) on the host, after ReLU: none is below 0.
        """
        images = as_images(images).reshape(-1, 1, 28, 28)
        ops, cache, parts = self._network.ops, self._body.cache(tracks_statistics=False), []
        for i in range(0, len(images), AT_ONCE):
            x = ops.asarray(images[i : i + AT_ONCE])
            parts.append(ops.to_host(self._body.forward(x, cache)))
            if progress:
                progress(len(x))
        return np.concatenate(parts)

    @quiet
    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """The classifier's probability of each digit, float64 (N, 10), from features (N, 128)."""
        ops = self._network.ops
        z = ops.to_host(self._head(ops.asarray(features))).astype(np.float64)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def fid(self, images: ArrayLike) -> float:
        """The Frechet distance between images and test images; it is larger for fewer images."""
        return self.fid_of_features(self.features(images))

    def fid_of_features(self, features: np.ndarray) -> float:
        """The Frechet distance between features (N, 128) and those of the test images."""
        return frechet_distance(moments(features), self._test_moments)
