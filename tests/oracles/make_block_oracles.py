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
    for part in (
        residuals,
        normalizations,
        embeddings,
        activations,
        global_pooling,
        attention,
        losses,
    ):
        torch.manual_seed(20240401)  # so that no part depends on the others
        out |= part()
    save("blocks", {key: value for key, value in out.items() if ".after." not in key})


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


class PixelNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps), with autograd's derivative."""

    def forward(self, x):
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


def normalizations():
    """Random parameters; eps is also so large that its position in the formula matters."""
    out = {}
    for name, module, shape in (
        ("layernorm", nn.LayerNorm(6), (5, 6)),
        ("layernorm_eps", nn.LayerNorm((2, 3, 4), eps=0.5), (3, 2, 3, 4)),
        ("layernorm_last", nn.LayerNorm(4), (2, 3, 4)),
        ("groupnorm", nn.GroupNorm(2, 6), (3, 6, 2, 4)),
        ("groupnorm_instance", nn.GroupNorm(3, 3, eps=0.5), (2, 3, 4, 3)),
        ("pixelnorm", PixelNorm(), (5, 6)),
        ("pixelnorm_images", PixelNorm(), (2, 3, 4, 2)),
    ):
        for parameter in module.parameters():
            nn.init.uniform_(parameter.data, -2.0, 2.0)
        out |= passed(name, module, 1.0 + 2 * torch.randn(shape))
    return out


def embeddings():
    """Repeated numbers, and one that does not occur."""
    module, x = nn.Embedding(5, 3), torch.tensor([[0, 4], [2, 0], [0, 1]])
    y = module(x)
    dy = torch.randn_like(y)
    y.backward(dy)
    passes = {"x": x.double(), "W": module.weight, "y": y, "dy": dy, "dW": module.weight.grad}
    return {f"embedding.{key}": value for key, value in passes.items()}


def activations():
    x = torch.cat([torch.randn(20) * 3, torch.tensor([-100.0, -40, -10, -1e-3, 0, 1e-3, 10, 100])])
    return passed("gelu", nn.GELU(approximate="tanh"), x) | passed("silu", nn.SiLU(), x)


def global_pooling():
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return passed("global_avg_pool", module, torch.randn(2, 3, 4, 5))


class SelfAttention(nn.Module):
    """gamma o + x, with PyTorch's own attention of one head."""

    def __init__(self, n, d):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(n, d, bias=False) for _ in range(3))
        self.out = nn.Linear(d, n, bias=False)
        self.gamma = nn.Parameter(torch.tensor([0.7]))

    def forward(self, x):
        pixels = x.flatten(2).transpose(1, 2)
        qkv = self.query(pixels), self.key(pixels), self.value(pixels)
        o = self.out(nn.functional.scaled_dot_product_attention(*qkv, scale=1.0))
        return self.gamma * o.transpose(1, 2).reshape(x.shape) + x


def attention():
    return passed("attention", SelfAttention(6, 3), 3 * torch.randn(2, 6, 3, 4))


def losses():
    """L1, with some y that equal their target, and cross-entropy with smoothed labels."""
    y, target = torch.randn(4, 5), torch.randn(4, 5)
    y[0] = target[0]
    z, classes = 3 * torch.randn(6, 4), torch.tensor([0, 3, 1, 1, 2, 0])
    out = {}
    for name, x, t, loss in (
        ("l1", y, target, nn.L1Loss()),
        ("smoothed", z, classes, nn.CrossEntropyLoss(label_smoothing=0.1)),
    ):
        x = x.clone().requires_grad_()
        value = loss(x, t)
        value.backward()
        passes = {"y": x, "target": t, "value": value, "dy": x.grad}
        out |= {f"{name}.{key}": array for key, array in passes.items()}
    return out


if __name__ == "__main__":
    main()
