"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gan.commands.shared.command_line import positive_float, positive_int, seed
from nn.ops import DEVICES

if TYPE_CHECKING:
    from gan.commands.shared.command_line import Parser

DIGIT_DATASETS = ("mnist", "mnist-sample")


def add_lengths(parser: Parser, what: str = "train", without: str = "the recipe's length") -> None:
    """Add --epochs, --steps and --minutes."""
    add = parser.add_argument
    add("--epochs", type=positive_int, help=f"{what} for this many epochs (default: {without})")
    add("--steps", type=positive_int, help=f"{what} for this many steps")
    add(
        "--minutes",
        type=positive_float,
        help=f"{what} for this many minutes; of several lengths, the first one reached counts",
    )


def add_data(parser: Parser, datasets: Iterable[str] | None = DIGIT_DATASETS) -> None:
    """Add --dataset and --data-dir; for datasets=None, any dataset is accepted, with no default."""
    if datasets is None:
        parser.add_argument(
            "--dataset",
            help="mnist, mnist-sample, fashion-mnist or kmnist (default: mnist)",
        )
    else:
        parser.add_argument(
            "--dataset",
            default="mnist",
            choices=tuple(datasets),
            help="all of MNIST or the bundled sample (default: %(default)s)",
        )
    parser.add_argument(
        "--data-dir",
        help="folder of the data files, where missing ones are downloaded "
        "(default: data/ in a checkout, else the user's cache)",
    )


def add_device(parser: Parser, default: str | None = "auto", *, tf32: bool = False) -> None:
    """Add --device, and --tf32 for commands that train."""
    help_text = "where to compute (default: auto)"
    parser.add_argument("--device", default=default, choices=DEVICES, help=help_text)
    if tf32:
        parser.add_argument(
            "--tf32",
            action="store_true",
            default=None if default is None else False,
            help="on a GPU, round the factors of products to TF32, which is faster",
        )


def add_seed(parser: Parser, what: str, default: int | None = 0, shown: str = "0") -> None:
    """Add --seed."""
    parser.add_argument("--seed", type=seed, default=default, help=f"{what} (default: {shown})")


def add_out(parser: Parser, what: str, default: str) -> None:
    """Add --out."""
    parser.add_argument("--out", help=f"{what} (default: {default})")


def add_quiet(parser: Parser) -> None:
    """Add --quiet."""
    parser.add_argument("--quiet", action="store_true", help="print errors and warnings only")
