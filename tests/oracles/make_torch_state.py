"""Make torch_state.npz: the states of two PyTorch networks and their outputs, in float32.

The second has the layers that came later. Those that PyTorch lacks are written here, with the names
that `torch_layout` gives them.

Run ``python tests/oracles/make_torch_state.py``, which needs PyTorch.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


class Residual(nn.ModuleList):
    """y = f(x) + s(x)."""

    def forward(self, x):
        return self[0](x) + self[1](x)


class SelfAttention(nn.Module):
    """y = gamma o + x, over the pixels of an image."""

    def __init__(self, n, n_inner):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(n, n_inner, bias=False) for _ in range(3))
        self.out, self.gamma = nn.Linear(n_inner, n, bias=False), nn.Parameter(torch.tensor([0.7]))

    def forward(self, x):
        rows = x.flatten(2).transpose(1, 2)
        weights = (self.query(rows) @ self.key(rows).transpose(1, 2)).softmax(dim=-1)
        o = self.out(weights @ self.value(rows))
        return x + self.gamma * o.transpose(1, 2).reshape(x.shape)


def later_layers():
    network = nn.Sequential(
        spectral_norm(nn.Linear(5, 48)),
        nn.Unflatten(1, (4, 3, 4)),
        spectral_norm(nn.ConvTranspose2d(4, 6, (4, 3), stride=2, padding=1)),
        nn.GroupNorm(2, 6),
        SelfAttention(6, 2),
        Residual(
            [
                spectral_norm(nn.Conv2d(6, 4, (3, 2), padding=(1, 0))),
                nn.Conv2d(6, 4, (1, 2), bias=False),
            ]
        ),
        nn.LayerNorm((4, 6, 6)),
        nn.Flatten(),
        spectral_norm(nn.Linear(144, 3, bias=False)),
    )
    network(torch.randn(4, 5))  # a power iteration
    for name, parameter in network.named_parameters():
        if name in ("3.weight", "3.bias", "6.weight", "6.bias"):  # initially 1 and 0
            nn.init.normal_(parameter)
    network.eval()
    x = torch.randn(3, 5)
    arrays = {f"later/{name}": value.numpy() for name, value in network.state_dict().items()}
    return {**arrays, "later_x": x.numpy(), "later_y": network(x).detach().numpy()}


def main():
    torch.manual_seed(20241122)
    network = nn.Sequential(
        nn.Linear(10, 128),
        nn.Unflatten(1, (8, 4, 4)),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 6, (4, 3), stride=(2, 1), padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 3, (3, 2), padding=(1, 0)),
        nn.Flatten(),
        nn.Linear(72, 20),
        nn.BatchNorm1d(20),
        nn.Sequential(nn.Tanh(), nn.Linear(20, 5)),
        nn.Sigmoid(),
    )
    for _ in range(5):  # let the running statistics move
        network(2 * torch.randn(16, 10) + 1)
    network.eval()
    x = torch.randn(7, 10)
    arrays = {f"state/{name}": value.numpy() for name, value in network.state_dict().items()}
    y = network(x).detach().numpy()
    np.savez_compressed(
        Path(__file__).parent / "torch_state.npz", x=x.numpy(), y=y, **arrays, **later_layers()
    )


if __name__ == "__main__":
    main()
