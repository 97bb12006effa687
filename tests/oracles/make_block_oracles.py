"""Make the reference vectors of residual blocks, the layers used in them, and their losses.

Run ``python -m tests.oracles.make_block_oracles``, which needs PyTorch. The tests need only
blocks.npz. Everything is computed in float64.
"""

import torch
from torch import nn

from tests.oracles.make_oracles import passed, save


class Sum(nn.Module):
    """f(x) + s(x)."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return sum(branch(x) for branch in self.branches)


def main():
    torch.set_default_dtype(torch.float64)
    out = {}
    for part in (residuals,):
        torch.manual_seed(20240401)  # so that no part depends on the others
        out |= part()
    save("blocks", out)


def residuals():
    """An identity shortcut, and a convolution as shortcut."""
    dense = Sum(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)), nn.Identity())
    conv = Sum(
        nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.Conv2d(3, 3, 3, 1, 1)),
        nn.Conv2d(2, 3, 1, 2),
    )
    return passed("residual", dense, torch.randn(5, 4)) | passed(
        "residual_conv", conv, torch.randn(2, 2, 5, 6)
    )


if __name__ == "__main__":
    main()
