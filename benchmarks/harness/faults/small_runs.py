"""A trainer and a checkpoint small enough to read thousands of times."""

from dataclasses import replace

import numpy as np

from gan.recipes import get_recipe
from gan.runs.checkpoint import Checkpoint
from gan.training.trainer import Trainer
from nn import Dense, LeakyReLU, Sequential


def small_trainer() -> Trainer:
    return Trainer(
        replace(get_recipe("mlp-leaky"), batch_size=4),
        np.zeros((8, 784), np.uint8),
        generator=Sequential(Dense(100, 4), LeakyReLU(0.2), Dense(4, 784)),
        discriminator=Sequential(Dense(784, 1)),
    )


def small_checkpoint() -> Checkpoint:
    """A checkpoint after two steps."""
    trainer = small_trainer()
    history = trainer.fit(steps=2)
    frames = {step: np.zeros((64, 28, 28), np.uint8) for step in (1, 2)}
    return Checkpoint({"seed": 0}, None, *trainer.state_dict(), frames, None, history, None)
