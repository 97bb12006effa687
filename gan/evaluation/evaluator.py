"""The frozen classifier beside the test images that everything is measured against."""

import numpy as np

from gan.classifier.network import AT_ONCE
from gan.evaluation.fid import frechet_distance, moments
from gan.evaluation.feature_extractor import load_frozen
from gan.evaluation.samples import as_images
from nn.underflow import quiet


class Judge:
    """Measures images against test images, whose features it computes once.

    test_images, and all images given later: uint8 in 0..255 or floats in [0, 1], (N, 28, 28), (N, 1, 28, 28) or (N, 784).
    `Judge(test_images).fid(images)` is the cheap way to watch a training: only the classifier's pass over `images` is left
    to do. progress(n): called as n more images are through the classifier.
    Errors: `DataError` for images that are not so, `WeightsError` if the classifier's file is not the shipped one.
    """

    def __init__(self, test_images, device="cpu", progress=None):
        self._network = load_frozen(device)
        self._body, self._head = self._network[:-1], self._network[-1:]
        self.test_images = as_images(test_images)
        self.test_features = self.features(self.test_images, progress)
        self._test_moments = moments(self.test_features)

    def features(self, images, progress=None):
        """What the classifier's last layer sees of images: float32 (N, 128) on the host, none below 0."""
        images = as_images(images).reshape(-1, 1, 28, 28)
        ops, cache, parts = self._network.ops, self._body.cache(tracks_statistics=False), []
        for i in range(0, len(images), AT_ONCE):
            x = ops.asarray(images[i : i + AT_ONCE])
            parts.append(ops.to_host(self._body.forward(x, cache)))
            if progress:
                progress(len(x))
        return np.concatenate(parts)

    @quiet
    def probabilities(self, features):
        """The classifier's probability of each digit, of features: float64 (N, 10)."""
        ops = self._network.ops
        z = ops.to_host(self._head(ops.asarray(features))).astype(np.float64)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def fid(self, images):
        """The Frechet distance of the images' features to the test images'; fewer images come out further away."""
        return self.distance(self.features(images))

    def distance(self, features):
        """`fid`, of images whose features are known."""
        return frechet_distance(moments(features), self._test_moments)
