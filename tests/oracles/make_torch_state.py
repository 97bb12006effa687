"""Make torch_state.npz: the state of a PyTorch network and its output, in float32.

Run ``python tests/oracles/make_torch_state.py``, which needs PyTorch.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn


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
    np.savez_compressed(Path(__file__).parent / "torch_state.npz", x=x.numpy(), y=y, **arrays)


if __name__ == "__main__":
    main()
