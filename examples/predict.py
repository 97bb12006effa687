"""Draw new digits with a trained generator.

    python examples/predict.py                                        # by a generator that comes with the package
    python examples/predict.py --digits 314159                        # a number
    python examples/predict.py --weights runs/mlp-dropout-20260101-120000/weights.npz
    python examples/predict.py --weights weights.npz --interpolate --out walk.png
"""

import _signal as signal  # the same, without the 4 ms of imports in which Ctrl-C would still show a traceback

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` takes over: Ctrl-C ends the imports without a traceback

import argparse
from pathlib import Path

import gan
import numpy as np
from PIL import Image

from gan.commands.command_line import Parser, checked, free_name, named, positive_int, run, seed
from gan.images import grid, save_picture
from gan.sampling import load_sampler
from gan.errors import RunError
from nn.serialization.files import atomic_write
from nn.ops import DEVICES, get_ops

MOST = 100_000  # images in one call: 300 MB
MOST_SHOWN = 2_400  # images in one picture, whole rows of STEPS too
WALKS, STEPS = 8, 12  # rows and columns of --interpolate
MOST_DIGITS = 100  # of --digits
COLUMNS = 10  # of --classes
PRETRAINED = Path(gan.__file__).parent / "pretrained"  # made by gan/commands/ship.py


def arguments():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", help="weights.npz of a training (default: those that come with the package)")
    add("--count", type=positive_int, help=f"how many digits (default: 64); with --interpolate, walks (default: {WALKS})")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--digit", type=digit, metavar="D", help="draw this digit only; as all three, by weights of a recipe with classes")
    asked.add_argument("--digits", type=number, metavar="NUMBER", help="draw a number, such as 314159, in one row")
    asked.add_argument("--classes", action="store_true", help=f"draw a row of each digit, {COLUMNS} or --count of them long")
    add("--seed", type=seed, help="equal seeds give equal digits (default: a new one each time)")
    add("--out", help="picture to write, a .png (default: digits.png, digits-2.png ...)")
    add("--save-samples", metavar="FILE", help="write the images, float32 (N, 28, 28) in [0, 1], to an .npz")
    add("--interpolate", action="store_true", help="each row a walk between two points of the latent space")
    add("--show", action="store_true", help="open the picture in a window")
    add("--device", default="auto", choices=DEVICES, help="where to compute (default: %(default)s)")
    return parser.parse_args()


def main():
    args = arguments()
    out = free_name(Path("digits.png")) if args.out is None else checked(args.out, ".png")
    samples = args.save_samples and checked(args.save_samples, ".npz")
    count = args.count or (WALKS if args.interpolate else COLUMNS if args.classes else 64)
    most = MOST_SHOWN // 10 if args.classes else MOST // (STEPS if args.interpolate else 1)
    if count > most:
        raise RunError(f"--count: expected at most {most:,} at once, got {count:,}; call again with another --seed")
    digits, columns = asked_for(args, count)
    sampler = load_sampler(args.weights or pretrained(digits is not None), get_ops(args.device))
    if args.interpolate:
        images, columns = sampler.walks(count, STEPS, args.seed, digits), STEPS
    else:
        images = sampler.images(sampler.inputs(count if digits is None else len(digits), args.seed, digits))
    sheet = grid(images[:MOST_SHOWN], columns)
    with named(out):
        save_picture(out, sheet)
    if samples:
        with named(samples), atomic_write(samples) as file:
            np.savez_compressed(file, images=images)
    print(f"{out}: {min(len(images), MOST_SHOWN):,} digits" + (f"; {samples}: {len(images):,} images" if samples else ""))
    if args.show:
        Image.fromarray(sheet).show()
    return 0


def asked_for(args, count):
    """-> the digit of each image, or None where anything may come, and the columns of the picture, or None for a square."""
    if args.digits:
        if args.count or args.interpolate:
            raise RunError("--digits: expected neither --count nor --interpolate beside it; the number says how many")
        return np.array([int(each) for each in args.digits]), len(args.digits)
    if args.digit is not None:
        return np.full(count, args.digit), None
    if args.classes:
        if args.interpolate:
            raise RunError("--classes: expected no --interpolate beside it; its rows are each of one digit already")
        return np.arange(10).repeat(count), count
    return None, None


def pretrained(with_classes):
    """The weights file that comes with the package."""
    path = PRETRAINED / ("digits-by-class.npz" if with_classes else "digits.npz")
    if not path.exists():
        raise RunError(f"{path}: it is missing from this copy of the package; name a training's weights with --weights")
    return path


def digit(text):
    """An argparse type: one digit."""
    if text not in tuple("0123456789"):
        raise argparse.ArgumentTypeError(f"expected a digit, 0 to 9, got {text!r}")
    return int(text)


def number(text):
    """An argparse type: a number of up to MOST_DIGITS digits, as text, since it may begin with 0."""
    if not 1 <= len(text) <= MOST_DIGITS or set(text) - set("0123456789"):
        raise argparse.ArgumentTypeError(f"expected up to {MOST_DIGITS} digits, got {text!r}")
    return text


if __name__ == "__main__":
    run(main)
