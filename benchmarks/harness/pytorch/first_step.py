"""One step of `mlp-dropout` as a plain PyTorch script, which imports nothing of ours."""

from __future__ import annotations

import torch
from torch import nn


def mlp(sizes: list[int], *last: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]), *last)


def noise() -> torch.Tensor:
    return torch.rand(64, 100) * 2 - 1


def loss(logits: torch.Tensor, target: float) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


images = torch.randint(0, 256, (10_000, 784), dtype=torch.uint8)
G, D = mlp([100, 32, 64, 128, 784], nn.Tanh()), mlp([784, 128, 64, 32, 1])
g_optimizer, d_optimizer = (torch.optim.Adam(net.parameters(), 0.002) for net in (G, D))

real = images[torch.randperm(len(images))[:64]].float() / 127.5 - 1
d_optimizer.zero_grad()
(loss(D(real), 1.0) + loss(D(G(noise()).detach()), 0.0)).backward()
d_optimizer.step()

g_optimizer.zero_grad()
loss(D(G(noise())), 1.0).backward()
g_optimizer.step()
