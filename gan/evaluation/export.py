"""Export a trained classifier as the feature extractor that comes with the package.

    python -m gan.evaluation.export classifier.npz

rounds its weights to float16, which halves the file, writes gan/pretrained/digit_classifier.npz,
and prints the SHA-256 that gan/evaluation/feature_extractor.py must hold.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys

from gan.evaluation import feature_extractor
from nn import ByhandError, load_weights, save_weights


def export_classifier(path: str | os.PathLike[str]) -> str:
    """Write a classifier's weights, rounded to float16, to the feature extractor's file.

    Parameters
    ----------
    path
        classifier.npz of a run of examples/train_mnist_classifier.py.

    Returns
    -------
    str
        The hexadecimal SHA-256 of the file written.

    Raises
    ------
    WeightsError
        If the file cannot be read, or a weight overflows float16.
    """
    networks, info = load_weights(path)
    save_weights(feature_extractor.PATH, networks, info, dtype="float16")
    return hashlib.sha256(feature_extractor.PATH.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("classifier", help="classifier.npz of examples/train_mnist_classifier.py")
    args = parser.parse_args()
    try:
        digest = export_classifier(args.classifier)
    except (ByhandError, OSError) as problem:
        parser.exit(2, f"error: {problem}\n")
    path = feature_extractor.PATH
    print(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
