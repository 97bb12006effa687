"""Make the generators that come with the package from the weights of trainings:

python -m gan.commands.ship runs/NAME/weights.npz gan/pretrained/digits.npz

keeps G alone, rounded to float16, which reading widens to float32 again: a quarter of the file.
"""

import sys
from pathlib import Path

from gan.commands.command_line import checked, run
from gan.sampling import load_sampler
from gan.errors import RunError
from nn import load_weights, save_weights


def ship(weights, out):
    """Write G of a training's weights file, and what drawing with it needs, to `out`. Errors: those of reading and writing."""
    load_sampler(weights)  # that it can be drawn with
    networks, info = load_weights(weights)
    save_weights(out, {"G": networks["G"]}, info, dtype="float16")


def main():
    if len(sys.argv) != 3:
        raise RunError("expected the weights.npz of a training, and a file to write:  python -m gan.commands.ship WEIGHTS OUT")
    ship(Path(sys.argv[1]), checked(sys.argv[2], ".npz"))
    return 0


if __name__ == "__main__":
    run(main)
