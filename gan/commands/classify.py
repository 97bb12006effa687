"""Name the digits in pictures: one digit in each, of any size, dark on light or light on dark.

For example:

    byhand classify --weights runs/classifier-20260101-120000/classifier.npz three.png seven.jpg
"""

from __future__ import annotations

from argparse import Namespace

from gan.classifier.network import CLASSES, load_classifier, probabilities
from gan.classifier.pictures import FORMATS, read_digits
from gan.commands.command_line import Parser
from gan.commands.options import add_device
from nn.ops import get_ops


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help=f"{', '.join(FORMATS)}, of one digit each")
    add("--weights", required=True, help="classifier.npz of a run")
    add_device(parser)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    network = load_classifier(args.weights, get_ops(args.device))
    for path, p in zip(args.pictures, probabilities(network, read_digits(args.pictures))):
        print(f"{path}: {CLASSES[p.argmax()]} ({100 * p.max():.1f}%)")
    return 0
