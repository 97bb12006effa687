"""Make a checkpoint of format 1, and the weights three steps after it.

Run ``python tests/oracles/make_old_checkpoint.py`` in a checkout of version 0.1, which wrote that
format (commit 08e97a0).
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from gan.runs.checkpoint import Checkpoint, write_checkpoint  # noqa: E402
from tests.support.small import trainer  # noqa: E402

STEPS, MORE = 7, 3


def main():
    made = trainer(seed=3, device="numpy")
    made.fit(steps=STEPS)
    config = {"recipe": "mlp-leaky", "seed": 3}  # a recipe with the beta2 of the tiny one
    frames = np.zeros((0, 64, 28, 28), np.uint8)
    checkpoint = Checkpoint(config, None, *made.state(), frames, None, [], None)
    write_checkpoint(HERE / "checkpoint_format_1.npz", checkpoint)
    made.fit(steps=MORE)
    networks = {"G": made.generator, "D": made.discriminator}
    later = {name: network.parameters.value.flat for name, network in networks.items()}
    np.savez_compressed(HERE / "checkpoint_format_1_later.npz", **later)


if __name__ == "__main__":
    main()
