"""Recipes and images so small that a run takes milliseconds."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan.commands.shared import command_line
from gan.latent import Latent
from gan.recipes import Recipe
from gan.training.trainer import Trainer
from nn import BatchNorm, Dense, Dropout, LeakyReLU, Sequential, Tanh

CHECKOUT = Path(__file__).resolve().parent.parent.parent
N_IMAGES, BATCH, STEPS_PER_EPOCH = 43, 8, 5  # an epoch leaves out three images


def digits(n=N_IMAGES, pixels=784, seed=0):
    """Random uint8 images. The first pixel of each is its index, which identifies it in a batch."""
    images = np.random.default_rng(seed).integers(0, 256, (n, pixels)).astype(np.uint8)
    images[:, 0] = np.arange(n)
    return images


TINY = Recipe(
    name="tiny",
    origin="the tests",
    make_generator=lambda n_in: Sequential(
        Dense(n_in, 6), LeakyReLU(0.2), Dropout(0.3), Dense(6, 784), Tanh()
    ),
    make_discriminator=lambda n_out: Sequential(
        Dense(784, 5), LeakyReLU(0.2), Dropout(0.3), Dense(5, n_out)
    ),
    latent=Latent(4, "normal"),
    image_range=(-1.0, 1.0),
    learning_rate=0.01,
    batch_size=BATCH,
    epochs=2,
)
TINY_BATCHNORM = replace(
    TINY,
    make_generator=lambda n_in: Sequential(
        Dense(n_in, 6), BatchNorm(6), LeakyReLU(0.2), Dense(6, 784), Tanh()
    ),
    make_discriminator=lambda n_out: Sequential(
        Dense(784, 5), BatchNorm(5), LeakyReLU(0.2), Dense(5, n_out)
    ),
)


def trainer(recipe=TINY, images=None, *, batch_size=None, learning_rate=None, **settings):
    """A trainer, with these settings in place of the recipe's."""
    given = {"batch_size": batch_size, "learning_rate": learning_rate}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    return Trainer(recipe, digits() if images is None else images, **settings)


def held(*networks):
    """The bytes of the networks' weights and statistics."""
    return b"".join(
        b.flat.tobytes()
        for net in networks
        for b in (net.parameters.value, net.parameters.statistics)
    )


def weights(trained):
    return held(trained.generator, trained.discriminator)


def disk_is_full(*args):
    """Replaces a function that writes."""
    raise OSError(28, "No space left on device")


SCRIPTS = {  # in examples/, and the modules of gan.commands that they run
    "classify": "classify",
    "evaluate": "evaluate",
    "lab": "lab",
    "predict": "predict",
    "train_mnist_classifier": "train_classifier",
    "train_mnist_gan": "train",
}


def example(name):
    """The module that a script in examples/ runs."""
    return importlib.import_module(f"gan.commands.{SCRIPTS[name]}")


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run a command in this process, in an empty folder.

    command(module, "--steps", 2) returns status, stdout and stderr.
    """
    monkeypatch.chdir(tmp_path)

    def call(module, *words):
        monkeypatch.setattr(sys, "argv", [module.__file__, *map(str, words)])
        with pytest.raises(SystemExit) as end:
            command_line.run(module.main)
        return end.value.code, *capsys.readouterr()

    return call


def assert_refused(result, *words):
    """Check for status 2, nothing on stdout, and one line on stderr: an error with these words."""
    status, out, err = result
    assert status == 2 and out == "" and "Traceback" not in err
    assert err.count("\n") == 1 and err.startswith("error: "), err
    for word in words:
        assert str(word) in err, err
