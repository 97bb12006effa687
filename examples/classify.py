"""Name the digits in pictures, one digit in each: any size, dark on light or light on dark.

    python examples/classify.py --weights runs/classifier-20260101-120000/classifier.npz three.png seven.jpg
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse

from gan.classifier.network import CLASSES, load_classifier, probabilities
from gan.commands.command_line import Parser, run
from gan.classifier.pictures import FORMATS, read_digits
from nn.ops import DEVICES, get_ops


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help=f"{', '.join(FORMATS)}, of one digit each")
    add("--weights", required=True, help="classifier.npz of a training")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    return parser.parse_args()


def main():
    args = arguments()
    network = load_classifier(args.weights, get_ops(args.device))
    for path, shares in zip(args.pictures, probabilities(network, read_digits(args.pictures))):
        print(f"{path}: {CLASSES[shares.argmax()]} ({100 * shares.max():.1f}%)")
    return 0


if __name__ == "__main__":
    run(main)
