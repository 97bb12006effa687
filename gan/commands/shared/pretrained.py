"""The trained generators that come with the package, and the option that replaces them."""

from __future__ import annotations

from pathlib import Path

import gan
from gan.commands.shared.command_line import Parser
from gan.errors import RunError

PRETRAINED = Path(gan.__file__).parent / "pretrained"  # by gan/commands/export_pretrained.py


def add_weights(parser: Parser, what: str) -> None:
    """Add --weights, with `pretrained` as its default."""
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help=f"{what} this weights.npz of a run (default: one that comes with the package)",
    )


def pretrained(with_classes: bool) -> Path:
    """The weights file that comes with the package."""
    path = PRETRAINED / ("digits-by-class.npz" if with_classes else "digits.npz")
    if not path.exists():
        raise RunError(
            f"{path}: expected a file of this package, got none; "
            "name a run's weights with --weights, or reinstall byhand"
        )
    return path
