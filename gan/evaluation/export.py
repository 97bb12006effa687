"""Make the shipped classifier of a trained one: its weights rounded to float16, half the bytes.

    python -m gan.evaluation.export classifier.npz

writes digit_classifier.npz into this package and prints the SHA-256 that frozen.py must hold.
"""

import argparse
import hashlib

from gan.commands.command_line import Parser, run
from gan.evaluation.feature_extractor import PATH
from nn import load_weights, save_weights


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="classifier.npz of examples/train_mnist_classifier.py")
    args = parser.parse_args()
    networks, info = load_weights(args.classifier)
    save_weights(PATH, networks, info, dtype="float16")
    print(f"{PATH}: {PATH.stat().st_size:,} bytes, SHA-256 {hashlib.sha256(PATH.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    run(main)
