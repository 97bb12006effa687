"""Make the reference vectors of spectral normalization, in float64.

Run ``python -m tests.oracles.make_spectral_oracles``, which needs PyTorch. The tests need only
spectral_norm.npz.
"""

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from tests.oracles.make_oracles import passed, save

SETTINGS = {"stride": (2, 1), "padding": 1}
# name: (kind, arguments, settings, shape of x); the tests make the same layers
LAYERS = {
    "dense": ("Linear", (6, 4), {}, (5, 6)),
    "dense_one": ("Linear", (6, 1), {}, (5, 6)),
    "conv": ("Conv2d", (2, 3, (3, 2)), {"stride": 2, "padding": 1}, (3, 2, 5, 6)),
    "transposed": ("ConvTranspose2d", (3, 2, (4, 3)), SETTINGS, (3, 3, 3, 4)),
}


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(20240302)
    out = {}
    for name, (kind, args, settings, shape) in LAYERS.items():
        module = spectral_norm(getattr(nn, kind)(*args, **settings))
        for vector in module.buffers():  # far from the singular vectors, so that iterations show
            vector.copy_(nn.functional.normalize(torch.randn(vector.shape), dim=0))
        for part, train in (("first", True), ("second", True), ("evaluation", False)):
            out |= passed(f"{name}.{part}", module, torch.randn(shape), train=train)
            module.zero_grad()
    save("spectral_norm", {key: value for key, value in out.items() if not known(key)})


def known(key):
    """Whether an array repeats another: no pass changes the weights."""
    return (".before." in key and ".first." not in key) or (".after." in key and "0._" not in key)


if __name__ == "__main__":
    main()
