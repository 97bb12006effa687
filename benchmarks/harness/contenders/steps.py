"""Contenders of benchmarks.step: functions of a recipe that return one training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.harness.contenders.floor import plain, record_products, replay
from benchmarks.harness.rounds import Step
from gan.data.image_shapes import ImageShape
from gan.data.stacked import StackedDigits, random_triples
from gan.recipe import DIGITS
from gan.recipes import Recipe, get_recipe
from gan.training.trainer import Trainer
from nn import get_ops

N_IMAGES = 10_000  # more than any processor's cache holds


def images(n: int = N_IMAGES, image_shape: ImageShape = DIGITS) -> np.ndarray:
    """Random training images, the same for all contenders: uint8 (n, C, H, W)."""
    return np.random.default_rng(0).integers(0, 256, (n, *image_shape), np.uint8)


def training_images(recipe: Recipe) -> np.ndarray | StackedDigits:
    """`images` for a `Trainer` of the recipe."""
    if recipe.clusters_per_image == 1:
        return images(N_IMAGES, recipe.image_shape)
    return StackedDigits(images(N_IMAGES), random_triples(N_IMAGES, N_IMAGES, seed=0))


def labels(n: int, recipe: Recipe) -> np.ndarray:
    """Labels that fit the recipe: integers (n,)."""
    return np.arange(n) % max(recipe.classes, 1)


def training_step(trainer: Trainer) -> Step:
    """`Trainer.step`, which records losses and mean outputs of D, and the reading of a full log."""

    def step() -> None:
        trainer.step()
        if trainer.log.is_full:
            trainer.log.read()

    return step


def ours(recipe: Recipe, device: Any = "cpu", tf32: bool = False) -> Step:
    """Our training step."""
    ops = get_ops(device, tf32)
    classes = labels(N_IMAGES, recipe)
    return training_step(Trainer(recipe, training_images(recipe), classes, device=ops))


def numpy(recipe: Recipe) -> Step:
    """Our training step without Numba."""
    return ours(recipe, device="numpy")


def floor(recipe: Recipe) -> Step:
    """The matrix products of our step, and nothing else."""
    ops = get_ops("cpu")
    step = ours(recipe, ops)
    step()
    products, plain_ops = record_products(step, ops), plain(ops)
    return lambda: replay(products, plain_ops)


def eager(recipe: Recipe, device: str = "cpu", tf32: bool = False) -> Step:
    """PyTorch as tutorials write it."""
    from benchmarks.harness.pytorch.eager_steps import Eager
    from benchmarks.harness.pytorch.gpu_steps import set_precision

    set_precision(tf32)
    return Eager(recipe, images(N_IMAGES, recipe.image_shape), device)


def tuned(recipe: Recipe) -> Step:
    """PyTorch, optimized by hand."""
    from benchmarks.harness.pytorch.tuned_steps import Tuned

    return Tuned(recipe, images(N_IMAGES, recipe.image_shape))


def compiled(recipe: Recipe) -> Step:
    """PyTorch with torch.compile."""
    from benchmarks.harness.pytorch.tuned_steps import Compiled

    return Compiled(recipe, images(N_IMAGES, recipe.image_shape))


def jax(recipe: Recipe) -> Step:
    """JAX, with the whole step as one compiled program."""
    from benchmarks.harness.jax.steps import Step as JaxStep

    return JaxStep(recipe, images(N_IMAGES, recipe.image_shape))


def graphs(recipe: Recipe, device: str, tf32: bool) -> Step:
    """PyTorch captured into CUDA graphs."""
    from benchmarks.harness.pytorch.gpu_steps import Graphed, set_precision

    set_precision(tf32)
    return Graphed(recipe, images(N_IMAGES, recipe.image_shape), device)


def compiled_graphs(recipe: Recipe, device: str, tf32: bool) -> Step:
    """PyTorch with torch.compile, which captures its own graphs."""
    from benchmarks.harness.pytorch.gpu_steps import Compiled, set_precision

    set_precision(tf32)
    return Compiled(recipe, images(N_IMAGES, recipe.image_shape), device)


ON_CPU: dict[str, Callable[[Recipe], Step]] = {
    contender.__name__: contender for contender in (ours, numpy, floor, eager, tuned, compiled, jax)
}
ON_GPU: dict[str, Callable[[Recipe, str, bool], Step]] = {
    "ours": ours,
    "eager": eager,
    "graphs": graphs,
    "compiled": compiled_graphs,
}


def make_step(
    name: str,
    recipe_name: str,
    device: str = "cpu",
    precision: str = "float32",
    image_shape: str = "",
) -> Step:
    """A contender's step; `precision` of its products is float32 or tf32.

    `image_shape` is that of the images, such as "3x32x32"; "" for the recipe's own.
    """
    shape = tuple(map(int, image_shape.split("x"))) if image_shape else None
    recipe = get_recipe(recipe_name, shape and (shape[0], shape[1], shape[2]))
    if name == "jax":  # without a schedule, as PyTorch's steps: slightly less work than ours
        recipe = replace(recipe, schedule=None)
    if device == "cpu":
        return ON_CPU[name](recipe)
    return ON_GPU[name](recipe, device, precision == "tf32")
