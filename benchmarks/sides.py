"""The sides of the comparison: each is a function of a recipe that returns step(), one training step or its stand-in."""

import numpy as np

from benchmarks.floor import record_products, replay
from gan.recipes import get_recipe
from gan.training import Trainer

N_IMAGES = 10_000  # random bytes, the same for every side; more than any cache holds


def images():
    return np.random.default_rng(0).integers(0, 256, (N_IMAGES, 28, 28), np.uint8)


def ours(recipe, device="cpu"):
    """`Trainer.step`, which also records losses and D's mean outputs, and their reading when the log is full."""
    trainer = Trainer(recipe, images(), np.arange(N_IMAGES) % max(recipe.classes, 1), device=device)

    def step():
        trainer.step()
        if trainer.log.is_full:
            trainer.log.read()

    return step


def numpy(recipe):
    """The same without Numba."""
    return ours(recipe, device="numpy")


def floor(recipe):
    """The products of our step, and nothing else."""
    step = ours(recipe)
    step()
    products = record_products(step)
    return lambda: replay(products)


def eager(recipe):
    """PyTorch as a tutorial has it."""
    from benchmarks.torch_steps import Eager

    return Eager(recipe, images())


def tuned(recipe):
    """PyTorch with what it offers a careful user."""
    from benchmarks.torch_steps import Tuned

    return Tuned(recipe, images())


SIDES = {side.__name__: side for side in (ours, numpy, floor, eager, tuned)}


def make_step(side, recipe_name):
    return SIDES[side](get_recipe(recipe_name))
