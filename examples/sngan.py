"""A GAN with spectral normalization on handwritten digits, in less than 100 lines of `nn`.

Each layer of D divides its weights by their largest singular value, so no layer is steeper than 1,
and D is trained with the hinge loss (Miyato et al. 2018):

    L_D = mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))),    L_G = -mean D(G(z))

Images beyond their margin, D(x) >= 1 or D(G(z)) <= -1, have zero gradient: D improves where it is
still wrong.

For example:

    python examples/sngan.py
    python examples/sngan.py --steps 500 --out digits.png
    python examples/sngan.py --seed 1
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

N, N_Z, RATE, BETAS = 64, 64, 5e-4, {"beta1": 0.5, "beta2": 0.999}  # batch size, noise, Adam


def networks() -> tuple[nn.Sequential, nn.Sequential]:
    """G: noise (N, 64) -> images (N, 1, 28, 28) in [0, 1], and D: images -> scores (N, 1)."""
    G = nn.Sequential(
        *(nn.Dense(N_Z, 64 * 7 * 7), nn.Reshape((64, 7, 7)), nn.BatchNorm(64), nn.ReLU()),
        *(nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm(32), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Sigmoid()),
    )
    convolutions = nn.Conv2d(1, 32, 4, 2, 1), nn.Conv2d(32, 64, 4, 2, 1), nn.Conv2d(64, 64, 3, 1, 1)
    D = nn.Sequential(
        *(layer for c in convolutions for layer in (nn.SpectralNorm(c), nn.LeakyReLU(0.1))),
        *(nn.Flatten(), nn.SpectralNorm(nn.Dense(64 * 7 * 7, 1))),
    )
    return G, D


def main() -> int:
    parser = Parser(description=__doc__)
    what = "train for N steps (default: 3000)"
    parser.add_argument("--steps", type=positive_int, default=3000, metavar="N", help=what)
    add_seed(parser, "draw weights, noise and the order of the images from this seed")
    add_out(parser, "write the picture to this .png", "sngan.png", "FILE")
    args = parser.parse_args()
    out = checked(args.out, ".png") if args.out else free_name(Path("sngan.png"))
    images, rng = load("mnist-sample", "train", flat=False)[0], np.random.default_rng(args.seed)
    (G, D), hinge, mean = networks(), nn.Hinge(), nn.Mean()
    G.build(rng), D.build(rng)
    g_optimizer, d_optimizer = nn.Adam(G, RATE, **BETAS), nn.Adam(D, RATE, **BETAS)
    # Singular vectors and batch statistics move once in a step: one cache of each network does it
    real_cache, g_cache = D.cache(), G.cache()
    fake_cache, frozen_cache = D.cache(tracks_statistics=False), D.cache(tracks_statistics=False)

    def noise(n: int = N) -> np.ndarray:
        return rng.standard_normal((n, N_Z), dtype=np.float32)

    for step in (bar := trange(args.steps, unit="step", disable=None)):
        x = images[rng.integers(len(images), size=N)] * np.float32(1 / 255)
        fake = G.forward(noise(), g_cache, train=True)
        d_real, dreal = hinge(D.forward(x, real_cache, train=True), 1.0, real_cache)
        d_fake, dfake = hinge(D.forward(fake, fake_cache, train=True), -1.0, fake_cache)
        D.backward(dreal, real_cache, grads="write", need_dx=False)
        D.backward(dfake, fake_cache, grads="add", need_dx=False)
        d_optimizer.step()

        g_loss, dfake = mean(D.forward(fake, frozen_cache, train=True), frozen_cache, weight=-1)
        G.backward(D.backward(dfake, frozen_cache, grads="skip"), g_cache, need_dx=False)
        g_optimizer.step()
        if step % 100 == 0:
            bar.write(f"step {step:5}: D {d_real[0] + d_fake[0]:.3f}, G {g_loss[0]:.3f}")
    save_picture(out, grid(np.asarray(G(noise(100)))))
    print(f"{out} shows 100 digits")
    return 0


if __name__ == "__main__":
    run(main)
