"""Draw new digits, or other images, with a trained generator.

For example:

    byhand predict --digits 314159
    byhand predict --interpolate --out walk.png
    byhand predict --weights runs/NAME/weights.npz --class cat --save-samples cats/
"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

import numpy as np
from PIL import Image

from gan.commands.shared.command_line import Parser, positive_int
from gan.commands.shared.options import add_device, add_out, add_seed
from gan.commands.shared.outputs import checked, checked_folder, free_name, named
from gan.commands.shared.pretrained import add_weights, pretrained
from gan.data.image_shapes import POINTS
from gan.data.points.point_set import USUAL, Square
from gan.description import Description
from gan.errors import RunError
from gan.generator_file import load_generator
from gan.images import grid, save_picture
from gan.nearest import did_you_mean
from gan.recipe import DIGITS
from gan.sampling import Sampler
from nn.ops import get_ops
from nn.serialization.files import atomic_write

MOST = 100_000  # images in one call
MAX_NUMBERS = 200_000_000  # pixels and colours in one call: 800 MB
MAX_SHOWN = 2_400  # images in one picture; a multiple of STEPS
COUNT, N_POINTS = 64, 1000
WALKS, STEPS = 8, 12  # rows and columns of --interpolate
MAX_DIGITS = 100  # of --digits
COLUMNS = 10  # of --classes


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add_weights(parser, "draw with")
    add(
        "--count",
        type=positive_int,
        metavar="N",
        help=f"draw N images, or N rows with --interpolate (default: {COUNT}, {N_POINTS:,} points, "
        f"or {WALKS} rows)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--digit",
        type=digit,
        metavar="D",
        help="draw only this digit, as --class D does",
    )
    which.add_argument(
        "--class",
        dest="class_name",
        metavar="NAME",
        help="draw only this class, with weights of a recipe with classes",
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
        help=f"draw a row of each class, with {COLUMNS} or --count images and weights of a recipe "
        "with classes",
    )
    add_seed(parser, "draw the images of this seed", None, "a new one each time")
    add_out(parser, "write the picture to this .png", "digits.png, digits-2.png ...", "FILE")
    add(
        "--save-samples",
        metavar="FILE",
        help="also write the images to this .npz file, or as PNGs to this new folder",
    )
    add(
        "--interpolate",
        action="store_true",
        help="draw rows in which one image turns into another",
    )
    add("--show", action="store_true", help="open the picture in a window")
    add_device(parser)
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    check_together(args)
    out = None if args.out is None else checked(args.out, ".png")
    samples = args.save_samples and checked_samples(args.save_samples)
    count = args.count or (WALKS if args.interpolate else COLUMNS if args.classes else COUNT)
    check_count(count, MOST // (STEPS if args.interpolate else 1))
    name = str(args.digit) if args.digit is not None else args.class_name
    weights = args.weights or pretrained(bool(name or args.digits or args.classes))
    sampler, description = load_generator(weights, get_ops(args.device))
    are_points = sampler.image_shape == POINTS
    if are_points and not (args.count or args.interpolate):
        count = N_POINTS
    if args.classes and sampler.classes:
        check_count(count, MAX_SHOWN // sampler.classes)
    classes, columns = requested_classes(args, name, count, sampler)
    n = count if classes is None else len(classes)
    check_count(
        n * (STEPS if args.interpolate else 1),
        MAX_NUMBERS // math.prod(sampler.image_shape or DIGITS),
    )
    if args.interpolate:
        inputs, columns = sampler.walk_inputs(count, STEPS, args.seed, classes), STEPS
    else:
        inputs = sampler.inputs(n, args.seed, classes)
    images = sampler.images(inputs)
    what = "digits" if are_digits(sampler) else "points" if are_points else "images"
    out = out or free_name(Path(f"{what}.png"))
    picture = grid(images[:MAX_SHOWN], None if are_points else columns)
    with named(out):
        save_picture(out, picture)
    if samples and are_points:
        save_points(samples, points_of(sampler.generated(inputs), description))
    elif samples:
        save_samples(samples, images)
    n_shown, kind = min(len(images), MAX_SHOWN), "images"
    if are_points:
        n_shown, kind = len(inputs), what
    written = f"{out}: {n_shown:,} {what}"
    print(written + (f"; {samples}: {len(inputs):,} {kind}" if samples else ""))
    if args.show:
        Image.fromarray(picture).show()
    return 0


def check_together(args: argparse.Namespace) -> None:
    """Raise `RunError` for options that exclude each other."""
    if args.digits and (args.count or args.interpolate):
        raise RunError(
            "--digits: expected neither --count nor --interpolate with it; "
            "the number says how many digits to draw"
        )
    if args.classes and args.interpolate:
        raise RunError(
            "--classes: expected no --interpolate with it; use --interpolate without --classes"
        )


def check_count(count: int, most: int) -> None:
    """Raise `RunError` for more images, or rows, than one call draws."""
    if count > most:
        raise RunError(
            f"--count: expected at most {most:,} at once, got {count:,}; "
            "call again with another --seed"
        )


def requested_classes(
    args: argparse.Namespace, name: str | None, count: int, sampler: Sampler
) -> tuple[np.ndarray | None, int | None]:
    """Return the class of each image, or None for any, and the grid's columns, or None."""
    if args.digits:
        return np.array([class_of(each, "--digits", sampler) for each in args.digits]), len(
            args.digits
        )
    if name is not None:
        option = "--class" if args.digit is None else "--digit"
        return np.full(count, class_of(name, option, sampler)), None
    if args.classes:
        check_classes("--classes", sampler)
        return np.arange(sampler.classes).repeat(count), count
    return None, None


def class_of(name: str, option: str, sampler: Sampler) -> int:
    """The number of a class that an option names."""
    check_classes(option, sampler)
    if name not in sampler.names:
        raise RunError(
            f"{option}: expected one of {', '.join(sampler.names)}, got {name!r}"
            f"{did_you_mean(name, sampler.names)}"
        )
    return sampler.names.index(name)


def check_classes(option: str, sampler: Sampler) -> None:
    """Raise `RunError` unless the weights are conditional on labelled classes."""
    if not sampler.classes:
        raise RunError(
            f"{option}: expected a generator trained with classes, got an unconditional one; name "
            "another file with --weights"
        )


def are_digits(sampler: Sampler) -> bool:
    """Whether the images are digits, as far as the weights file says."""
    return sampler.image_shape == DIGITS and sampler.class_names is None


def checked_samples(name: str) -> Path:
    """The path of --save-samples: an .npz, or a new or empty folder."""
    if not name.endswith(("/", os.sep)):
        return checked(name, ".npz")
    if Path(name).suffix == ".npz":
        raise RunError(f"{Path(name)}: expected a folder's name, got that of a file; remove the /")
    return checked_folder(name)


def save_samples(path: Path, images: np.ndarray) -> None:
    """Write images to an .npz, or as numbered PNGs into a folder."""
    with named(path):
        if path.suffix == ".npz":
            with atomic_write(path) as file:
                np.savez_compressed(file, images=images)
            return
        path.mkdir(exist_ok=True)
        for number, image in enumerate(images):
            save_picture(path / f"{number:06}.png", np.rint(255 * image).astype(np.uint8))


def points_of(generated: np.ndarray, description: Description) -> np.ndarray:
    """Generated points where the data lie, float64 (N, 2), if the file says where."""
    where = description.training.get("square")
    numbers = isinstance(where, list) and [each for each in where if isinstance(each, float)]
    square = Square(*numbers) if numbers and len(numbers) == len(Square._fields) else USUAL
    return square.from_unit(generated.reshape(-1, 2).astype(np.float64))


def save_points(path: Path, points: np.ndarray) -> None:
    """Write points to an .npz; `RunError` for a folder, which is for images."""
    if path.suffix != ".npz":
        raise RunError(f"--save-samples: expected an .npz for points, got {path}; name a file")
    with named(path), atomic_write(path) as file:
        np.savez_compressed(file, points=points)


def digit(text: str) -> int:
    """An argparse type: one digit."""
    if text not in tuple("0123456789"):
        raise argparse.ArgumentTypeError(f"expected a digit, 0 to 9, got {text!r}")
    return int(text)


def number(text: str) -> str:
    """An argparse type: a text of up to MAX_DIGITS digits, which may begin with 0."""
    if not 1 <= len(text) <= MAX_DIGITS or set(text) - set("0123456789"):
        raise argparse.ArgumentTypeError(f"expected up to {MAX_DIGITS} digits, got {text!r}")
    return text
