"""The sides of the comparison: each is a function of a recipe that returns step(), one training step or its stand-in."""

import numpy as np

from benchmarks.harness.contenders.floor import record_products, replay
from gan.recipes import get_recipe
from gan.training.trainer import Trainer
from nn import get_ops

N_IMAGES = 10_000  # random bytes, the same for every side; more than any cache holds


def images(n=N_IMAGES):
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28), np.uint8)


def ours(recipe, device="cpu", tf32=False):
    """`Trainer.step`, which also records losses and D's mean outputs, and their reading when the log is full."""
    return stepper(Trainer(recipe, images(), np.arange(N_IMAGES) % max(recipe.classes, 1), device=get_ops(device, tf32)))


def stepper(trainer):
    """Its step, and the reading of the log when that is full."""

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
    ops = get_ops("cpu")
    step = ours(recipe, ops)
    step()
    products = record_products(step, ops)
    return lambda: replay(products, ops)


def eager(recipe, device="cpu", tf32=False):
    """PyTorch as a tutorial has it."""
    from benchmarks.harness.pytorch.gpu_steps import set_precision
    from benchmarks.harness.pytorch.eager_steps import Eager

    set_precision(tf32)
    return Eager(recipe, images(), device)


def tuned(recipe):
    """PyTorch with what it offers a careful user."""
    from benchmarks.harness.pytorch.eager_steps import Tuned

    return Tuned(recipe, images())


def compiled(recipe):
    """PyTorch as torch.compile makes it."""
    from benchmarks.harness.pytorch.eager_steps import Compiled

    return Compiled(recipe, images())


def graphs(recipe, device, tf32):
    """PyTorch captured into CUDA graphs."""
    from benchmarks.harness.pytorch.gpu_steps import Graphed, set_precision

    set_precision(tf32)
    return Graphed(recipe, images(), device)


def compiled_graphs(recipe, device, tf32):
    """PyTorch compiled, with graphs of its own."""
    from benchmarks.harness.pytorch.gpu_steps import Compiled, set_precision

    set_precision(tf32)
    return Compiled(recipe, images(), device)


SIDES = {side.__name__: side for side in (ours, numpy, floor, eager, tuned, compiled)}
GPU_SIDES = {"ours": ours, "eager": eager, "graphs": graphs, "compiled": compiled_graphs}


def make_step(side, recipe_name, device="cpu", precision="float32"):
    """A step of that side. precision: of products, float32 or tf32."""
    recipe = get_recipe(recipe_name)
    return SIDES[side](recipe) if device == "cpu" else GPU_SIDES[side](recipe, device, precision == "tf32")
