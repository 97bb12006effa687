"""The options of `byhand train --data` that say how images are read."""

from __future__ import annotations

from gan.commands.shared.command_line import Parser, one_of, positive_int
from gan.data.images.image_files import FITS


def add_own_images(parser: Parser) -> None:
    """Add the options that say how the images of --data are read."""
    add = parser.add_argument
    add(
        "--size",
        type=positive_int,
        metavar="N",
        help="with --data, scale images to N x N pixels (default: the smallest of 28, 32, 48, 64 "
        "that is at least their median shorter side, or 64)",
    )
    add(
        "--channels",
        type=int,
        choices=(1, 3),
        help="with --data, make images grey, 1, or colour, 3 (default: as they are)",
    )
    add(
        "--fit",
        type=one_of(FITS),
        metavar="HOW",
        help=f"with --data, make images square by one of {', '.join(FITS)} (default: crop)",
    )
    add(
        "--labels",
        type=one_of(("folders",)),
        metavar="folders",
        help="with --data, take the folders at the first level as classes",
    )
    add(
        "--background",
        metavar="COLOUR",
        help="with --data, lay transparent images on this colour, which also pads (default: black)",
    )
