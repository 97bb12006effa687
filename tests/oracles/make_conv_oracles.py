"""Make the reference vectors of convolutions, pooling and softmax, in float64.

Run ``python -m tests.oracles.make_conv_oracles``, which needs PyTorch. The tests need only
conv_layers.npz and conv_losses.npz.
"""

import torch
from torch import nn
from torch.nn import functional as F

from tests.oracles.make_oracles import passed, save

# name: (kind, arguments, settings, shape of x); the tests make the same layers
CONVOLUTIONS = {
    "plain": ("Conv2d", (2, 3, 3), {}, (2, 2, 5, 6)),
    "strided": ("Conv2d", (3, 4, 4), {"stride": 2, "padding": 1}, (3, 3, 7, 8)),
    "rectangular": ("Conv2d", (5, 2, (3, 2)), {"stride": (2, 3), "padding": (0, 2)}, (2, 5, 6, 5)),
    "one_by_one": ("Conv2d", (6, 5, 1), {}, (2, 6, 3, 3)),
    "same": ("Conv2d", (8, 6, 3), {"padding": 1}, (2, 8, 7, 7)),
    "transposed": ("ConvTranspose2d", (2, 3, 3), {}, (2, 2, 4, 3)),
    "doubling": ("ConvTranspose2d", (3, 5, 4), {"stride": 2, "padding": 1}, (2, 3, 4, 5)),
    "to_one_channel": ("ConvTranspose2d", (6, 1, 4), {"stride": 2, "padding": 1}, (2, 6, 4, 3)),
    "output_padding": (
        "ConvTranspose2d",
        (3, 6, 3),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)},
        (2, 3, 4, 3),
    ),
    "gaps": ("ConvTranspose2d", (2, 5, (1, 2)), {"stride": (2, 3)}, (2, 2, 3, 3)),
    "same_transposed": ("ConvTranspose2d", (6, 8, 3), {"padding": 1}, (2, 6, 7, 7)),
}
OVERLAPPING = {"stride": (2, 1), "padding": (1, 1)}
POOLS = {
    "max": ("MaxPool2d", (2,), {}, (2, 3, 4, 6)),
    "max_overlapping": ("MaxPool2d", ((3, 2),), OVERLAPPING, (2, 2, 6, 5)),
    "max_ties": ("MaxPool2d", (3,), {"stride": 1, "padding": 1}, (2, 2, 5, 6)),
    "avg": ("AvgPool2d", (2,), {}, (2, 3, 4, 6)),
    "avg_overlapping": ("AvgPool2d", ((3, 2),), OVERLAPPING, (2, 2, 6, 5)),
    "upsample": ("Upsample", (), {"scale_factor": (2, 3)}, (2, 3, 4, 3)),
}


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(20240301)
    save("conv_layers", layers())
    save("conv_losses", softmax())


def layers():
    out = {}
    for name, (kind, args, settings, shape) in (CONVOLUTIONS | POOLS).items():
        x = torch.randn(shape)
        x = x.round() if "ties" in name else x
        out |= passed(name, getattr(nn, kind)(*args, **settings), x)
    # (standard deviation, largest) of the initial values, for 8 to 40 channels
    for kind in ("Conv2d", "ConvTranspose2d"):
        module = getattr(nn, kind)(8, 40, (3, 5))
        for key, value in module.named_parameters():
            out[f"first.{kind}.{key}"] = torch.stack([value.std(), value.abs().max()])
    return {key: value for key, value in out.items() if ".after." not in key}


def softmax():
    far = torch.tensor([[1000.0, 0.0, -1000.0], [-90.0, 90.0, 0.0], [3.0, 3.0, 3.0]])
    out = {}
    for name, z, target in (
        ("usual", torch.randn(9, 5) * 3, torch.randint(5, (9,))),
        ("far", far, torch.tensor([0, 0, 2])),
    ):
        z = z.requires_grad_()
        value = F.cross_entropy(z, target)
        value.backward()
        results = {"z": z, "target": target, "value": value, "dz": z.grad}
        out |= {f"{name}.{key}": x for key, x in results.items()}
    return out


if __name__ == "__main__":
    main()
