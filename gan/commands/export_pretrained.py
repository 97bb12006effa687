"""Export the generator of a run as a pretrained one of this package.

It keeps only G and rounds it to float16, which makes the file four times smaller. Reading converts
it to float32.

For example:

    python -m gan.commands.export_pretrained runs/NAME/weights.npz gan/pretrained/digits.npz
    python -m gan.commands.export_pretrained runs/NAME/best.npz best.npz
    python -m gan.commands.export_pretrained by_class.npz gan/pretrained/digits-by-class.npz
"""

from __future__ import annotations

import os

from gan.commands.shared.command_line import Parser, run
from gan.commands.shared.outputs import checked
from gan.generator_file import load_sampler
from nn import load_weights, save_weights


def export(weights: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Write the generator of a run's weights file and its description to `out`."""
    load_sampler(weights)  # raises if it cannot draw
    networks, info = load_weights(weights)
    save_weights(out, {"G": networks["G"]}, info, dtype="float16")


def main() -> int:
    """Run the command and return its exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "weights", metavar="WEIGHTS", help="export the generator in this weights.npz of a run"
    )
    parser.add_argument("out", metavar="OUT", help="write it to this .npz")
    args = parser.parse_args()
    export(args.weights, checked(args.out, ".npz"))
    return 0


if __name__ == "__main__":
    run(main)
