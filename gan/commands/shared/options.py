"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gan.commands.shared.command_line import one_of, positive_float, positive_int, seed
from gan.data.sources import DIGIT_DATASETS
from nn.ops import DEVICES

if TYPE_CHECKING:
    from gan.commands.shared.command_line import Parser


def add_lengths(parser: Parser, what: str = "train", without: str = "the recipe's length") -> None:
    """Add --epochs, --steps and --minutes."""
    add = parser.add_argument
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help=f"{what} for at most N epochs (default: {without})",
    )
    add("--steps", type=positive_int, metavar="N", help=f"{what} for at most N steps")
    add("--minutes", type=positive_float, metavar="M", help=f"{what} for at most M minutes")


def add_data(
    parser: Parser,
    datasets: Iterable[str] = DIGIT_DATASETS,
    default: str | None = "mnist",
    *,
    own: bool = False,
    without: str = "mnist",
) -> None:
    """Add --dataset and --data-dir, and --data for commands that take other images."""
    names, source = tuple(datasets), parser.add_mutually_exclusive_group()
    if own:
        source.add_argument(
            "--data",
            metavar="PATH",
            help="take the images in this folder, .zip, .tar, .npy or .npz, or the points in this "
            ".csv or .npy",
        )
    source.add_argument(
        "--dataset",
        default=default,
        type=one_of(names),
        metavar="NAME",
        help=f"use one of {', '.join(names)} (default: {without})",
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="read the data files in this folder and download missing ones into it "
        "(default: data/ in a checkout, else the user's cache)",
    )


def add_device(parser: Parser, default: str | None = "auto", *, tf32: bool = False) -> None:
    """Add --device, and --tf32 for commands that train."""
    parser.add_argument(
        "--device",
        default=default,
        type=one_of(DEVICES),
        metavar="NAME",
        help=f"compute on one of {', '.join(DEVICES)} (default: auto)",
    )
    if tf32:
        parser.add_argument(
            "--tf32",
            action="store_true",
            default=None if default is None else False,
            help="round the factors of products to TF32, which makes a GPU faster",
        )


def add_seed(parser: Parser, what: str, default: int | None = 0, shown: str = "0") -> None:
    """Add --seed."""
    parser.add_argument(
        "--seed", type=seed, default=default, metavar="N", help=f"{what} (default: {shown})"
    )


def add_out(parser: Parser, what: str, default: str, metavar: str = "DIR") -> None:
    """Add --out."""
    parser.add_argument("--out", metavar=metavar, help=f"{what} (default: {default})")


def add_quiet(parser: Parser) -> None:
    """Add --quiet."""
    parser.add_argument("--quiet", action="store_true", help="print only errors and warnings")
