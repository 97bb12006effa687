"""Read a recipe's weights from safetensors or PyTorch, and write a weights.npz to draw with.

The file holds the states of G and, if it is there, of D, under the names that `byhand export`
gives them. The formats need their libraries: pip install -e '.[safetensors]', and PyTorch for .pt.

For example:

    byhand import weights.safetensors --recipe conv-clusters --out weights.npz
    byhand import generator.pt --recipe dcgan --out dcgan.npz
    byhand import cats.pt --recipe conv-clusters --image-shape 3,64,64 --out cats.npz
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from gan.commands.shared.command_line import Parser, one_of
from gan.commands.shared.outputs import checked, named
from gan.data.image_shapes import ImageShape
from gan.description import MAX_SIDE, is_image_shape
from gan.exchange.importing import import_weights
from gan.own_recipes import FORMER
from gan.recipes import RECIPES, get_recipe
from nn import save_weights


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("file", metavar="FILE", help="read this .safetensors, .pt or .pth")
    add(
        "--recipe",
        metavar="NAME",
        required=True,
        type=one_of([*RECIPES, *(each.name for each in FORMER.values())]),
        help="take the networks of this recipe, which byhand recipes lists",
    )
    add(
        "--image-shape",
        metavar="C,H,W",
        type=image_shape,
        help="make the networks for these images (default: what the file says, or the recipe)",
    )
    add("--out", metavar="FILE", required=True, help="write the weights to this .npz")
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    out = checked(args.out, ".npz")
    recipe = get_recipe(args.recipe)
    networks, description = import_weights(Path(args.file), recipe, args.image_shape)
    with named(out):
        save_weights(out, networks, description.to_info())
    print(f"{out}: {' and '.join(networks)} of {recipe.name}\n\n  byhand predict --weights {out}\n")
    return 0


def image_shape(text: str) -> ImageShape:
    """An argparse type: channels, height and width."""
    shape = tuple(map(int, text.split(","))) if re.fullmatch(r"\d{1,5}(,\d{1,5}){2}", text) else ()
    if not is_image_shape(shape):
        raise argparse.ArgumentTypeError(
            f"expected channels, 1 or 3, height and width up to {MAX_SIDE}, such as 3,64,64, got "
            f"{text!r}"
        )
    return shape[0], shape[1], shape[2]
