"""The classifier that measures, shipped with the package and never trained again: other weights would be another scale.

    python examples/train_mnist_classifier.py --seed 0 --out classifier    # on the CPU: 12 epochs on the 60,000 training images
    python -m gan.evaluation.export classifier/classifier.npz                 # rounds the weights to float16

made it; ACCURACY is the share of the 10,000 test images that it names rightly, rounded weights and all.
"""

import hashlib
from pathlib import Path

from gan.classifier.network import load_classifier
from nn import WeightsError

PATH = Path(__file__).resolve().parent.parent / "pretrained" / "digit_classifier.npz"
SHA256 = "c7d525499d835fe52a4c0593ecf870cd19672017c2e14050995819975f3c08c6"
ACCURACY = 0.9969


def load_frozen(device="cpu"):
    """The shipped classifier. `WeightsError` if the file is missing, or is not that one byte for byte."""
    try:
        digest = hashlib.sha256(PATH.read_bytes()).hexdigest()
    except OSError as problem:
        raise WeightsError(f"{PATH}: cannot be read ({problem.strerror}); install byhand anew") from None
    if digest != SHA256:
        raise WeightsError(
            f"{PATH}: expected the classifier of SHA-256 {SHA256[:12]}..., got {digest[:12]}..., whose figures would be on "
            "another scale; install byhand anew"
        )
    return load_classifier(PATH, device)
