"""Train a variational autoencoder on handwritten digits, reparametrized by hand.

An image x is a vector of D black or white pixels, drawn anew in each step with the grey levels as
probabilities. The encoder gives the mean and log-variance of a code z, from which the decoder gives
logits l of the pixels:

    q(z|x) = N(mu, sigma^2), sigma = exp(logvar / 2)        mu, logvar = encoder(x)
    z = mu + sigma eps, eps ~ N(0, 1)                       l = decoder(z)

The loss, a mean over the batch, is minus the evidence lower bound of log p(x) in nats:

    L = -ELBO = BCE(l, x) + KL
    BCE = sum_i -x_i log p_i - (1 - x_i) log(1 - p_i), p = sigmoid(l)
    KL(q || N(0, 1)) = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - logvar_j)

The gradient passes through the sample z because eps does not depend on the weights.
Source: Kingma & Welling 2014, eq. 10 and appendix B.

For example:

    python examples/vae.py
    python examples/vae.py --latent 2 --epochs 100
    python examples/vae.py --dataset mnist --out digits
"""

import math
from argparse import Namespace
from pathlib import Path
from statistics import NormalDist

import numpy as np
from tqdm import tqdm

from gan.commands.shared.command_line import Parser, one_of, positive_int, run
from gan.commands.shared.options import add_out, add_seed
from gan.commands.shared.outputs import free_folder, run_folder
from gan.data.datasets import load
from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.folders import new_folder
from gan.images import grid, save_picture
from nn import Adam, BCEWithLogits, Dense, ReLU, Sequential

BATCH_SIZE, RATE, HIDDEN = 128, 1e-3, 400
COLUMNS = 12  # of the pictures


def arguments() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add(
        "--epochs",
        type=positive_int,
        default=40,
        metavar="N",
        help="train for N epochs (default: 40)",
    )
    add("--steps", type=positive_int, metavar="N", help="train for at most N steps")
    add(
        "--latent",
        type=positive_int,
        default=10,
        metavar="N",
        help="give the code N dimensions (default: 10)",
    )
    names = sorted(SOURCES)
    add(
        "--dataset",
        default="mnist-sample",
        type=one_of(names),
        metavar="NAME",
        help=f"take the images from one of {', '.join(names)} (default: mnist-sample)",
    )
    add(
        "--data-dir",
        metavar="DIR",
        help="read the data files in this folder and download missing ones into it "
        "(default: data/ in a checkout, else the user's cache)",
    )
    add_seed(parser, "draw weights, noise and the order of the images from this seed")
    add_out(parser, "write the pictures into this folder", "runs/vae-TIME")
    return parser.parse_args()


class VAE:
    """Encoder, decoder, and the step that trains both."""

    def __init__(self, n_pixels: int, n_latent: int, rng: np.random.Generator) -> None:
        def mlp(n_in: int, n_out: int) -> Sequential:
            hidden = Dense(n_in, HIDDEN), ReLU(), Dense(HIDDEN, HIDDEN), ReLU()
            return Sequential(*hidden, Dense(HIDDEN, n_out)).build(rng)

        self.encoder, self.decoder = mlp(n_pixels, 2 * n_latent), mlp(n_latent, n_pixels)
        self.encoder_cache, self.decoder_cache = self.encoder.cache(), self.decoder.cache()
        self.optimizers = [Adam(self.encoder, RATE), Adam(self.decoder, RATE)]
        self.n_latent, self.rng, self.loss = n_latent, rng, BCEWithLogits()

    def forward(self, x: np.ndarray, train: bool = False) -> tuple[float, np.ndarray]:
        """The ELBO of a batch, a mean over its images, and dBCE/dl."""
        h = np.asarray(self.encoder.forward(x, self.encoder_cache, train=train))
        self.mu, self.logvar = h[:, : self.n_latent], h[:, self.n_latent :]
        self.eps = self.rng.standard_normal(self.mu.shape, dtype=np.float32)
        self.sigma = np.exp(self.logvar / 2)
        z = self.mu + self.sigma * self.eps
        logits = self.decoder.forward(z, self.decoder_cache, train=train)
        # the loss is a mean over pixels; the weight makes it their sum
        bce, dlogits = self.loss(logits, x, self.decoder_cache, weight=x.shape[1])
        kl = (self.mu**2 + self.sigma**2 - 1 - self.logvar).sum() / (2 * len(x))
        return -float(bce[0] + kl), np.asarray(dlogits)

    def step(self, x: np.ndarray) -> float:
        """Update both networks; return the batch's ELBO."""
        elbo, dlogits = self.forward(x, train=True)
        dz = np.asarray(self.decoder.backward(dlogits, self.decoder_cache))
        # z = mu + sigma eps, so dL/dmu = dL/dz + dKL/dmu, with dKL/dmu = mu / N
        dmu = dz + self.mu / len(x)
        # dsigma/dlogvar = sigma / 2, and dKL/dlogvar = (sigma^2 - 1) / (2 N)
        dlogvar = dz * self.eps * self.sigma / 2 + (self.sigma**2 - 1) / (2 * len(x))
        self.encoder.backward(np.hstack([dmu, dlogvar]), self.encoder_cache, need_dx=False)
        for optimizer in self.optimizers:
            optimizer.step()
        return elbo

    def encode(self, x: np.ndarray) -> np.ndarray:
        """mu of q(z|x)."""
        return np.asarray(self.encoder(x))[:, : self.n_latent]

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Probabilities of the pixels, p = sigmoid(l) = (1 + tanh(l / 2)) / 2."""
        return (1 + np.tanh(np.asarray(self.decoder(z.astype(np.float32))) / 2)) / 2


def drawn(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 grey levels -> float32 pixels, each 1 with probability grey level / 255, else 0."""
    return (rng.random(images.shape, dtype=np.float32) * 255 < images).astype(np.float32)


def test_elbo(vae: VAE, images: np.ndarray) -> float:
    """The mean ELBO of the test images, one z for each."""
    elbos = [
        vae.forward(drawn(batch, vae.rng))[0] * len(batch)
        for batch in np.array_split(images, math.ceil(len(images) / BATCH_SIZE))
    ]
    return sum(elbos) / len(images)


def save_pictures(vae: VAE, images: np.ndarray, out: Path) -> None:
    """Write reconstructions, samples, and the latent plane or walks between images."""
    x = images[: 3 * COLUMNS] / np.float32(255)
    rows = zip(np.split(x, 3), np.split(vae.decode(vae.encode(x)), 3))
    pairs = np.concatenate([row for pair in rows for row in pair])  # images above, decoded below
    save_picture(out / "reconstructions.png", grid(pairs, COLUMNS))
    z = vae.rng.standard_normal((COLUMNS**2, vae.n_latent))
    save_picture(out / "samples.png", grid(vae.decode(z), COLUMNS))
    if vae.n_latent == 2:  # equal steps of probability of N(0, 1)
        steps = [NormalDist().inv_cdf((k + 0.5) / (2 * COLUMNS)) for k in range(2 * COLUMNS)]
        plane = np.array([(right, -down) for down in steps for right in steps])
        save_picture(out / "plane.png", grid(vae.decode(plane), 2 * COLUMNS))
    else:
        mu = vae.encode(x)
        t = np.linspace(0, 1, COLUMNS)[:, None]
        walks = [(1 - t) * a + t * b for a, b in zip(mu[:COLUMNS], mu[COLUMNS : 2 * COLUMNS])]
        save_picture(out / "walks.png", grid(vae.decode(np.concatenate(walks)), COLUMNS))


def main() -> int:
    args = arguments()
    images = load(args.dataset, "train", data_dir=args.data_dir)[0]
    test = load(args.dataset, "test", data_dir=args.data_dir)[0]
    out = new_folder(args.out) if args.out else free_folder(run_folder("vae"))
    rng = np.random.default_rng(args.seed)
    vae = VAE(images.shape[1], args.latent, rng)
    per_epoch = len(images) // BATCH_SIZE
    total = min(args.epochs * per_epoch, args.steps or math.inf)
    print(f"{len(images):,} images of {args.dataset}, {total:,} steps; pictures go to {out}")
    with tqdm(total=total, unit="step", disable=None) as bar:
        for epoch in range(1, math.ceil(total / per_epoch) + 1):
            order, elbos = rng.permutation(len(images)), []
            for k in range(min(per_epoch, total - bar.n)):
                batch = images[order[k * BATCH_SIZE : (k + 1) * BATCH_SIZE]]
                elbos.append(vae.step(drawn(batch, rng)))
                bar.update()
            elbo = float(np.mean(elbos))
            if not math.isfinite(elbo):
                raise RunError(
                    f"epoch {epoch}: expected a finite ELBO, got {elbo}; try another --seed"
                )
            bar.write(
                f"epoch {epoch:2}: ELBO {elbo:.2f}, {test_elbo(vae, test):.2f} on the test images"
            )
    save_pictures(vae, test, out)
    print(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))}")
    return 0


if __name__ == "__main__":
    run(main)
