"""Make two run folders of version 0.1.0, in a checkout of it (commit 08e97a0).

    PYTHONPATH=CHECKOUT python tests/oracles/make_run_0_1.py CHECKOUT

Version 0.1.0's own commands train each for a few steps on the first images of the bundled sample,
with a recipe's settings but few clusters and narrow networks: all files together must stay small,
so the pictures are left out too. RECIPE.later.npz holds what version 0.1.0 makes of the folder: the
generator after it resumed the run, and the images that it drew from weights.npz.
"""

import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    Sequential,
    Tanh,
)

OUT = Path(__file__).with_name("run_0_1")
STEPS, MORE = 5, 9  # MORE reaches the next epoch of mlp-dropout, and penalty of conv-clusters
N_IMAGES = 400  # that it trains on
COUNT, SEED = 2, 1  # images drawn


def mlp(sizes, last=()):
    layers = []
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1]):
        layers += [Dense(n_in, n_out), LeakyReLU(0.2), Dropout(0.3)]
    return Sequential(*layers, Dense(sizes[-2], sizes[-1]), *last)


def mlp_generator(n_in):
    return mlp([n_in, 3, 2, 784], [Tanh()])


def mlp_discriminator(n_out):
    return mlp([784, 2, 3, n_out])


def conv_generator(n_in):
    return Sequential(
        *(Dense(n_in, 2 * 7 * 7), Reshape((2, 7, 7)), BatchNorm(2), LeakyReLU(0.2)),
        *(ConvTranspose2d(2, 3, 4, stride=2, padding=1), BatchNorm(3), LeakyReLU(0.2)),
        *(ConvTranspose2d(3, 1, 4, stride=2, padding=1), Tanh()),
    )


def conv_discriminator(n_out):
    return Sequential(
        *(Conv2d(1, 3, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Conv2d(3, 4, 4, stride=2, padding=1), LeakyReLU(0.2)),
        *(Flatten(), Dense(4 * 7 * 7, n_out)),
        input_shape=(1, 28, 28),
    )


CLUSTERS = 7
NETWORKS = {
    "mlp-dropout": (mlp_generator, mlp_discriminator),
    "conv-clusters": (conv_generator, conv_discriminator),
}


def command(script, *words):
    """Run a script of version 0.1.0's examples/."""
    sys.argv = [str(script), *map(str, words)]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def main():
    import gan.datasets

    import gan.recipes

    load = gan.datasets.load
    gan.datasets.load = lambda *words, **how: [each[:N_IMAGES] for each in load(*words, **how)]
    checkout = Path(sys.argv[1])
    train, predict = (
        checkout / "examples" / f"{name}.py" for name in ("train_mnist_gan", "predict")
    )
    for name, (make_generator, make_discriminator) in NETWORKS.items():
        recipe = gan.recipes.RECIPES[name]
        if recipe.clusters:
            recipe = replace(recipe, clusters=CLUSTERS)
        narrow = replace(
            recipe,
            generator=lambda make=make_generator, n_in=recipe.inputs: make(n_in),
            discriminator=lambda make=make_discriminator, n_out=recipe.kinds or 1: make(n_out),
        )
        gan.recipes.RECIPES[name] = narrow
        folder, later = OUT / name, OUT / "later"
        words = "--recipe", name, "--dataset", "mnist-sample", "--device", "numpy", "--seed", 3
        command(train, *words, "--steps", STEPS, "--out", folder, "--quiet")
        shutil.copytree(folder, later)
        command(train, "--resume", later, "--steps", STEPS + MORE, "--quiet")
        with np.load(later / "weights.npz") as file:
            arrays = {key: file[key] for key in file.files if key.startswith("G/")}
        shutil.rmtree(later)
        words = "--weights", folder / "weights.npz", "--device", "numpy", "--seed", SEED
        drawn = OUT / "drawn.npz"
        picture = OUT / "drawn.png"
        command(predict, *words, "--count", COUNT, "--save-samples", drawn, "--out", picture)
        with np.load(drawn) as file:
            arrays["drawn"] = file["images"]
        drawn.unlink()
        picture.unlink()
        for written in ("fixed_samples.npz", "losses.png", "progress.gif"):
            (folder / written).unlink()
        shutil.rmtree(folder / "samples")
        np.savez_compressed(OUT / f"{name}.later.npz", **arrays)


if __name__ == "__main__":
    main()
