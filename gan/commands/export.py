"""Write trained weights for other libraries: ONNX, safetensors or PyTorch.

The formats need their libraries: pip install -e '.[onnx,safetensors]', and PyTorch for .pt.

For example:

    byhand export --to digits.onnx
    byhand export --weights runs/NAME/weights.npz --to exported/
    byhand export --weights runs/NAME/weights.npz --network D --to discriminator.onnx
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gan.commands.shared.command_line import Parser
from gan.commands.shared.outputs import checked, checked_folder, named
from gan.commands.shared.pretrained import add_weights, pretrained
from gan.errors import RunError
from gan.exchange.exporting import SUFFIXES, Weights, read_weights, write_all, write_weights


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add_weights(parser, "read")
    add(
        "--network",
        metavar="NAME",
        help="write only this network of the file, such as G or D (default: all, or G to .onnx)",
    )
    add(
        "--to",
        metavar="PATH",
        required=True,
        help="write this .onnx, .safetensors or .pt, or all of them into this new folder/",
    )
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit status."""
    args = arguments()
    if args.to.endswith(("/", os.sep)):
        folder = checked_folder(args.to)
        write_folder(folder, read_weights(args.weights or pretrained(False), args.network))
        return 0
    if Path(args.to).suffix not in SUFFIXES:
        raise RunError(
            f"--to: expected a name that ends in {', '.join(SUFFIXES)} or /, got {args.to!r}; the "
            "ending chooses the format"
        )
    path = checked(args.to, Path(args.to).suffix)
    weights = read_weights(args.weights or pretrained(False), args.network)
    with named(path):
        print(f"{path}: {write_weights(path, weights)}")
    return 0


def write_folder(folder: Path, weights: Weights) -> None:
    """Write all that can be written, and print what is there and what is not."""
    with named(folder):
        folder.mkdir(exist_ok=True)
        written, left_out = write_all(folder, weights)
    for name, content in written.items():
        print(f"{folder / name}: {content}")
    for name, reason in left_out.items():
        print(f"{folder / name}: not written: {reason}")
    if not written:
        raise RunError(f"{folder}: expected a format that can be written, got none; see above")
