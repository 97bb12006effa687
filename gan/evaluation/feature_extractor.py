"""The classifier whose features are compared; with other weights, figures would not be comparable.

Its file was made on the CPU, in 12 epochs on the 60,000 training images, by

    python examples/train_mnist_classifier.py --seed 0 --out classifier
    python -m gan.evaluation.export classifier/classifier.npz

ACCURACY is the share of the 10,000 test images that it classifies correctly.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from gan.classifier.network import load_classifier
from nn import Sequential, WeightsError
from nn.ops.base import Ops

PATH = Path(__file__).resolve().parent.parent / "pretrained" / "digit_classifier.npz"
SHA256 = "c7d525499d835fe52a4c0593ecf870cd19672017c2e14050995819975f3c08c6"
ACCURACY = 0.9969


def load_feature_extractor(device: str | Ops = "cpu") -> Sequential:
    """Load the classifier that comes with the package; all layers but the last give the features.

    Parameters
    ----------
    device
        "cpu", "cuda" and so on, or a backend.

    Raises
    ------
    WeightsError
        If the file is missing or its SHA-256 is not SHA256.
    """
    try:
        digest = hashlib.sha256(PATH.read_bytes()).hexdigest()
    except OSError as problem:
        raise WeightsError(
            f"{PATH}: cannot be read ({problem.strerror}); reinstall byhand"
        ) from None
    if digest != SHA256:
        raise WeightsError(
            f"{PATH}: expected the classifier of SHA-256 {SHA256[:12]}..., got {digest[:12]}..., "
            "whose figures would not be comparable; reinstall byhand"
        )
    return load_classifier(PATH, device)
