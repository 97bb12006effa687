"""Name the digits in pictures: one digit in each, of any size, dark on light or light on dark.

For example:

    byhand classify three.png
    byhand classify three.png seven.jpg
    byhand classify --weights runs/NAME/classifier.npz three.png
"""

from __future__ import annotations

import sys
from argparse import Namespace

from gan.classifier.network import CLASSES, load_classifier, probabilities
from gan.classifier.pictures import FORMATS, read_digits
from gan.commands.shared.command_line import Parser
from gan.commands.shared.options import add_device
from gan.evaluation.feature_extractor import ACCURACY, load_feature_extractor
from nn.ops import get_ops


def arguments() -> Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help=f"name the digit in this {', '.join(FORMATS)}",
    )
    add(
        "--weights",
        metavar="FILE",
        help="use this classifier.npz of a run (default: the one that comes with the package)",
    )
    add_device(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    ops = get_ops(args.device)
    is_own = args.weights is not None
    network = load_classifier(args.weights, ops) if is_own else load_feature_extractor(ops)
    digits = read_digits(args.pictures)
    if not is_own:  # on stderr, since stdout is for the digits
        print(
            "using the classifier that comes with the package, which classifies "
            f"{100 * ACCURACY:.2f}% of MNIST's test images correctly",
            file=sys.stderr,
        )
    for path, p in zip(args.pictures, probabilities(network, digits)):
        print(f"{path}: {CLASSES[p.argmax()]} ({100 * p.max():.1f}%)")
    return 0
