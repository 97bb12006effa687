"""Make a pretrained generator of this package from the weights of a run.

    python -m gan.commands.export runs/NAME/weights.npz gan/pretrained/digits.npz

keeps G only, rounded to float16: a quarter of the file. Reading widens it to float32.
"""

from __future__ import annotations

import os

from gan.commands.command_line import Parser, run
from gan.commands.outputs import checked
from gan.sampling import load_sampler
from nn import load_weights, save_weights


def export(weights: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Write the generator of a run's weights file, and its description, to `out`."""
    load_sampler(weights)  # checks that it can draw
    networks, info = load_weights(weights)
    save_weights(out, {"G": networks["G"]}, info, dtype="float16")


def main() -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("weights", metavar="WEIGHTS", help="weights.npz of a run")
    parser.add_argument("out", metavar="OUT", help="the .npz to write")
    args = parser.parse_args()
    export(args.weights, checked(args.out, ".npz"))
    return 0


if __name__ == "__main__":
    run(main)
