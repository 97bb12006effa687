"""The plain DCGAN of PyTorch's tutorial, for images of 32 or 64 pixels.

Networks, initialization, losses and settings are those of "DCGAN Tutorial" at docs.pytorch.org
(after Radford et al. 2016), which is for 64 x 64. At 32 x 32, each network has one layer fewer, the
one next to its widest. Images are gathered from a tensor in memory instead of by a DataLoader, and
losses are not read, both in PyTorch's favour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.harness.pytorch.eager_steps import available_cores
from gan.errors import RunError

LATENT, WIDTH = 100, 64  # nz; ngf and ndf
BATCH_SIZE, LEARNING_RATE, BETAS = 128, 2e-4, (0.5, 0.999)
AT_ONCE = 500  # samples drawn in a pass


def generator(channels: int, doublings: int) -> nn.Sequential:
    """z -> 4x4 -> 8x8 ..., doubled `doublings` times."""
    widths = [WIDTH * 2**k for k in range(doublings)][::-1]
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(LATENT, widths[0], 4, 1, 0, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(True),
    ]
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [
            nn.ConvTranspose2d(n_in, n_out, 4, 2, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(True),
        ]
    layers += [nn.ConvTranspose2d(WIDTH, channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def discriminator(channels: int, halvings: int) -> nn.Sequential:
    """Images, halved `halvings` times to 4x4 -> probabilities."""
    widths = [WIDTH * 2**k for k in range(halvings)]
    layers: list[nn.Module] = [
        nn.Conv2d(channels, WIDTH, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [
            nn.Conv2d(n_in, n_out, 4, 2, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid()]
    return nn.Sequential(*layers)


def initialize(module: nn.Module) -> None:
    """Weights from N(0, 0.02); the scales of batch norm from N(1, 0.02)."""
    name = type(module).__name__
    if name.startswith("Conv"):
        nn.init.normal_(module.weight, 0.0, 0.02)  # type: ignore[arg-type]
    elif name.startswith("BatchNorm"):
        nn.init.normal_(module.weight, 1.0, 0.02)  # type: ignore[arg-type]
        nn.init.constant_(module.bias, 0)  # type: ignore[arg-type]


class DCGAN:
    """The training of the tutorial, step by step.

    Parameters
    ----------
    images
        uint8 (N, C, 32, 32) or (N, C, 64, 64).
    seed
        Of weights, order and noise.
    """

    batch_size = BATCH_SIZE

    def __init__(self, images: np.ndarray, seed: int) -> None:
        channels, height, width = images.shape[1:]
        if height != width or height not in (32, 64):
            raise RunError(
                f"dcgan: expected images of 32 x 32 or 64 x 64, got {width} x {height}; choose "
                "another --size"
            )
        torch.set_num_threads(available_cores())
        torch.manual_seed(seed)
        doublings = {32: 3, 64: 4}[height]
        self.G = generator(channels, doublings).apply(initialize)
        self.D = discriminator(channels, doublings).apply(initialize)
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=BETAS)
            for network in (self.G, self.D)
        )
        self.criterion = nn.BCELoss()
        self.images = torch.from_numpy(images)
        self.order = torch.randperm(len(images))
        self.step_count = 0

    def batch(self) -> Tensor:
        """The next images, in -1..1; each epoch has a new order."""
        place = self.step_count % (len(self.images) // BATCH_SIZE)
        if place == 0:
            self.order = torch.randperm(len(self.images))
        rows = self.order[place * BATCH_SIZE : (place + 1) * BATCH_SIZE]
        return self.images[rows].float() / 127.5 - 1

    def step(self) -> None:
        """One update of D, one of G."""
        real = self.batch()
        self.D.zero_grad()
        label = torch.full((len(real),), 1.0)
        self.criterion(self.D(real).view(-1), label).backward()
        fake = self.G(torch.randn(len(real), LATENT, 1, 1))
        label.fill_(0.0)
        self.criterion(self.D(fake.detach()).view(-1), label).backward()
        self.d_optimizer.step()
        self.G.zero_grad()
        label.fill_(1.0)
        self.criterion(self.D(fake).view(-1), label).backward()
        self.g_optimizer.step()
        self.step_count += 1

    @torch.no_grad()
    def samples(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        """n images as uint8 (n, C, H, W), and no labels; batch norm in evaluation mode."""
        noise = torch.randn(n, LATENT, 1, 1, generator=torch.Generator().manual_seed(seed))
        self.G.eval()
        parts = [self.G(noise[i : i + AT_ONCE]) for i in range(0, n, AT_ONCE)]
        self.G.train()
        images = torch.cat(parts).add(1).mul(127.5).round().clamp(0, 255)
        return images.to(torch.uint8).numpy(), None

    def save(self, path: Path) -> None:
        """Write the state of training."""
        parts = {name: getattr(self, name).state_dict() for name in self._parts}
        rest = {"order": self.order, "step": self.step_count, "rng": torch.get_rng_state()}
        torch.save(parts | rest, path)

    def load(self, path: Path) -> None:
        """Continue from it."""
        state = torch.load(path, weights_only=True)
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])
        self.order, self.step_count = state["order"], state["step"]
        torch.set_rng_state(state["rng"])

    _parts = ("G", "D", "g_optimizer", "d_optimizer")
