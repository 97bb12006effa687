"""Draw new digits with a trained generator.

For example:

    byhand predict --digits 314159
    byhand predict --interpolate --out walk.png
    byhand predict --weights runs/NAME/weights.npz --count 256 --seed 7
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import gan
from gan.commands.shared.command_line import Parser, positive_int
from gan.commands.shared.options import add_device, add_out, add_seed
from gan.commands.shared.outputs import checked, free_name, named
from gan.errors import RunError
from gan.generator_file import load_sampler
from gan.images import grid, save_picture
from nn.ops import get_ops
from nn.serialization.files import atomic_write

MOST = 100_000  # images in one call: 300 MB
MOST_SHOWN = 2_400  # images in one picture; a multiple of STEPS
COUNT = 64
WALKS, STEPS = 8, 12  # rows and columns of --interpolate
MOST_DIGITS = 100  # of --digits
COLUMNS = 10  # of --classes
PRETRAINED = Path(gan.__file__).parent / "pretrained"  # written by gan/commands/export.py


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--weights",
        metavar="FILE",
        help="draw with this weights.npz of a run (default: one that comes with the package)",
    )
    add(
        "--count",
        type=positive_int,
        metavar="N",
        help=f"draw N digits, or N rows with --interpolate (default: {COUNT}, or {WALKS} rows)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--digit",
        type=digit,
        metavar="D",
        help="draw only this digit, with weights of a recipe with classes",
    )
    which.add_argument(
        "--digits",
        type=number,
        metavar="NUMBER",
        help="draw the digits of a number, with weights of a recipe with classes",
    )
    which.add_argument(
        "--classes",
        action="store_true",
        help=f"draw a row of each digit, with {COLUMNS} or --count images and weights of a recipe "
        "with classes",
    )
    add_seed(parser, "draw the digits of this seed", None, "a new one each time")
    add_out(parser, "write the picture to this .png", "digits.png, digits-2.png ...", "FILE")
    add(
        "--save-samples",
        metavar="FILE",
        help="also write the images to this .npz, as float32 (N, 28, 28) in [0, 1]",
    )
    add(
        "--interpolate",
        action="store_true",
        help="draw rows in which one digit turns into another",
    )
    add("--show", action="store_true", help="open the picture in a window")
    add_device(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    out = free_name(Path("digits.png")) if args.out is None else checked(args.out, ".png")
    samples = args.save_samples and checked(args.save_samples, ".npz")
    count = args.count or (WALKS if args.interpolate else COLUMNS if args.classes else COUNT)
    most = MOST_SHOWN // 10 if args.classes else MOST // (STEPS if args.interpolate else 1)
    if count > most:
        raise RunError(
            f"--count: expected at most {most:,} at once, got {count:,}; "
            "call again with another --seed"
        )
    digits, columns = requested_digits(args, count)
    weights = args.weights or pretrained(digits is not None)
    sampler = load_sampler(weights, get_ops(args.device))
    if args.interpolate:
        images, columns = sampler.walks(count, STEPS, args.seed, digits), STEPS
    else:
        n = count if digits is None else len(digits)
        images = sampler.images(sampler.inputs(n, args.seed, digits))
    picture = grid(images[:MOST_SHOWN], columns)
    with named(out):
        save_picture(out, picture)
    if samples:
        with named(samples), atomic_write(samples) as file:
            np.savez_compressed(file, images=images)
    written = f"{out}: {min(len(images), MOST_SHOWN):,} digits"
    print(written + (f"; {samples}: {len(images):,} images" if samples else ""))
    if args.show:
        Image.fromarray(picture).show()
    return 0


def requested_digits(args: argparse.Namespace, count: int) -> tuple[np.ndarray | None, int | None]:
    """Return the digit of each image, or None for any, and the grid's columns, or None."""
    if args.digits:
        if args.count or args.interpolate:
            raise RunError(
                "--digits: expected neither --count nor --interpolate with it; "
                "the number says how many digits to draw"
            )
        return np.array([int(each) for each in args.digits]), len(args.digits)
    if args.digit is not None:
        return np.full(count, args.digit), None
    if args.classes:
        if args.interpolate:
            raise RunError(
                "--classes: expected no --interpolate with it; use --interpolate without --classes"
            )
        return np.arange(10).repeat(count), count
    return None, None


def pretrained(with_classes: bool) -> Path:
    """The weights file that comes with the package."""
    path = PRETRAINED / ("digits-by-class.npz" if with_classes else "digits.npz")
    if not path.exists():
        raise RunError(
            f"{path}: expected a file of this package, got none; "
            "name a run's weights with --weights, or reinstall byhand"
        )
    return path


def digit(text: str) -> int:
    """An argparse type: one digit."""
    if text not in tuple("0123456789"):
        raise argparse.ArgumentTypeError(f"expected a digit, 0 to 9, got {text!r}")
    return int(text)


def number(text: str) -> str:
    """An argparse type: a text of up to MOST_DIGITS digits, which may begin with 0."""
    if not 1 <= len(text) <= MOST_DIGITS or set(text) - set("0123456789"):
        raise argparse.ArgumentTypeError(f"expected up to {MOST_DIGITS} digits, got {text!r}")
    return text
