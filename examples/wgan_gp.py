"""A WGAN with gradient penalty on handwritten digits, in less than 100 lines of `nn`.

The critic D estimates how far apart real images x and generated images G(z) are. It must not be
steeper than 1, so there is a penalty on its slope g = dD/dx at random points between the two:

    L_D = mean D(G(z)) - mean D(x) + 10 mean (|g| - 1)^2,    L_G = -mean D(G(z))

The slope is the result of a backward pass, so the gradient of the penalty is the backward pass of a
backward pass: `double_backward` (Gulrajani et al. 2017, algorithm 1).

For example:

    python examples/wgan_gp.py
    python examples/wgan_gp.py --steps 300 --out digits.png
    python examples/wgan_gp.py --seed 1
"""

from pathlib import Path

import numpy as np
from tqdm import trange

import nn
from gan.commands.shared.command_line import Parser, positive_int, run
from gan.commands.shared.options import add_out, add_seed
from gan.commands.shared.outputs import checked, free_name
from gan.data.datasets import load
from gan.images import grid, save_picture
from nn.cache import Cache

N, N_Z, N_CRITIC, WEIGHT = 64, 64, 5, 10.0  # batch size, noise, steps of D for each of G, penalty
RATE, BETAS = 5e-4, {"beta1": 0.5, "beta2": 0.9}


def networks() -> tuple[nn.Sequential, nn.Sequential]:
    """G, and D without batch norm, which would make an image's slope depend on the others."""
    G = nn.Sequential(
        *(nn.Dense(N_Z, 64 * 7 * 7), nn.Reshape((64, 7, 7)), nn.BatchNorm(64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm(32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Sigmoid()),
    )
    first = nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2)
    second = nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2)
    return G, nn.Sequential(*first, *second, nn.Flatten(), nn.Dense(64 * 7 * 7, 1))


def add_penalty(D: nn.Sequential, x: np.ndarray, cache: Cache) -> None:
    """Add the gradient of P = WEIGHT mean (|g| - 1)^2, g = dD/dx, to that of D."""
    D.forward(x, cache, train=True)
    g = np.asarray(D.backward(np.ones((len(x), 1), x.dtype), cache, grads="skip"))  # dD/dx
    norm = np.maximum(np.sqrt((g * g).sum((1, 2, 3), keepdims=True)), 1e-12)
    v = (2 * WEIGHT / len(x)) * (norm - 1) / norm * g  # dP/dg
    D.double_backward(v, cache)  # dP/dW, added to dW


def main() -> int:
    parser = Parser(description=__doc__)
    what = "train for N steps of the generator (default: 1000)"
    parser.add_argument("--steps", type=positive_int, default=1000, metavar="N", help=what)
    add_seed(parser, "draw weights, noise and the order of the images from this seed")
    add_out(parser, "write the picture to this .png", "wgan-gp.png", "FILE")
    args = parser.parse_args()
    out = checked(args.out, ".png") if args.out else free_name(Path("wgan-gp.png"))
    images, rng = load("mnist-sample", "train", flat=False)[0], np.random.default_rng(args.seed)
    (G, D), mean = networks(), nn.Mean()
    G.build(rng), D.build(rng)
    g_optimizer, d_optimizer = nn.Adam(G, RATE, **BETAS), nn.Adam(D, RATE, **BETAS)
    real_cache, fake_cache, frozen_cache = D.cache(), D.cache(), D.cache()
    slope_cache, g_cache = D.cache(double_backward=True), G.cache()
    drawn_cache = G.cache(tracks_statistics=False)  # the statistics move once in a step

    def noise(n: int = N) -> np.ndarray:
        return rng.standard_normal((n, N_Z), dtype=np.float32)

    for step in (bar := trange(args.steps, unit="step", disable=None)):
        for _ in range(N_CRITIC):
            x = images[rng.integers(len(images), size=N)] * np.float32(1 / 255)
            fake = np.asarray(G.forward(noise(), drawn_cache, train=True))
            d_real, dreal = mean(D.forward(x, real_cache, train=True), real_cache, weight=-1)
            d_fake, dfake = mean(D.forward(fake, fake_cache, train=True), fake_cache)
            D.backward(dreal, real_cache, grads="write", need_dx=False)
            D.backward(dfake, fake_cache, grads="add", need_dx=False)
            e = rng.random((N, 1, 1, 1), dtype=np.float32)
            add_penalty(D, e * x + (1 - e) * fake, slope_cache)
            d_optimizer.step()

        drawn = G.forward(noise(), g_cache, train=True)
        _, dfake = mean(D.forward(drawn, frozen_cache, train=True), frozen_cache, weight=-1)
        G.backward(D.backward(dfake, frozen_cache, grads="skip"), g_cache, need_dx=False)
        g_optimizer.step()
        if step % 50 == 0:
            bar.write(f"step {step:5}: distance {-d_real[0] - d_fake[0]:.3f}")
    save_picture(out, grid(np.asarray(G(noise(100)))))
    print(f"{out} shows 100 digits")
    return 0


if __name__ == "__main__":
    run(main)
