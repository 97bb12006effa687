"""Make a weights file of a version of byhand, with every layer it had, and what they return.

    PYTHONPATH=CHECKOUT python tests/oracles/make_weights_files.py VERSION

CHECKOUT is of that version (0.1.0: commit 08e97a0). Files of released versions are never made
again: they show that what was written then can still be read.
"""

import sys
from pathlib import Path

import numpy as np

import nn

OUT = Path(__file__).with_name("weights_files")
INFO = {"note": "ä", "sizes": [1, 2.5], "nested": {"none": None, "yes": True}}


def first_layers():
    """Those of version 0.1.0."""
    return nn.Sequential(
        *(nn.RandomShift(1), nn.Cutout(2, fill=-1.0)),
        *(nn.Conv2d(1, 2, (3, 2), stride=(1, 2), padding=1), nn.BatchNorm(2, eps=1e-3)),
        *(nn.LeakyReLU(0.2), nn.MaxPool2d(2, stride=1), nn.Upsample(2), nn.AvgPool2d((2, 1))),
        *(nn.SpectralNorm(nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1)), nn.ReLU()),
        *(nn.Flatten(), nn.Dense(3 * 12 * 10, 6), nn.Dropout(0.3), nn.Tanh()),
        *(nn.Reshape((2, 3)), nn.Sequential(nn.Sigmoid())),
        input_shape=(1, 6, 5),
    )


def later_layers():
    """Those that came with version 0.2.0."""
    return nn.Sequential(
        *(nn.Dense(4, 24), nn.LayerNorm(24), nn.GELU(), nn.Reshape((4, 2, 3))),
        *(nn.GroupNorm(2, 4), nn.SiLU(), nn.SelfAttention2d(4, 3), nn.PixelNorm()),
        *(nn.Residual(nn.Conv2d(4, 3, 3, padding=1), shortcut=nn.Conv2d(4, 3, 1)),),
        *(nn.GlobalAvgPool2d(), nn.Residual(nn.Dense(3, 3)), nn.Sigmoid(), nn.Embedding(2, 3)),
    )


def main():
    version = sys.argv[1]
    networks = {"first": first_layers()}
    if hasattr(nn, "Residual"):
        networks["later"] = later_layers()
    rng, stored = np.random.default_rng(1), {}
    for name, network in networks.items():
        network.build(seed=2, device="numpy")
        x = rng.standard_normal((5, *network.input_shape)).astype(np.float32)
        for _ in range(2):  # the running statistics move
            network.forward(x, network.cache(), train=True)
        for view in network.parameters.value.views.values():
            if not view.any():  # gamma, and biases
                view[...] = rng.standard_normal(view.shape)
        stored |= {f"{name}/x": x, f"{name}/y": network(x)}
    nn.save_weights(OUT / f"{version}.npz", networks, INFO)
    np.savez_compressed(OUT / f"{version}.passes.npz", **stored)


if __name__ == "__main__":
    main()
