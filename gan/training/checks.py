"""Checks of the arguments of a trainer, before its first step."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.data.image_shapes import COLOURS
from gan.errors import RunError
from gan.recipe import Recipe
from gan.training.step.packing import packed_shape
from nn import BatchNorm, Sequential, Sigmoid
from nn.layers.base import Layer

REAL = int | float | np.integer | np.floating


def check_recipe(recipe: Any) -> None:
    """Raise `RunError` unless it is a `Recipe` with usable rates, `n_critic` and `schedule`."""
    if not isinstance(recipe, Recipe):
        raise RunError(
            f"recipe: expected a Recipe, got {recipe!r}; get_recipe finds one by its name"
        )
    check_learning_rate(recipe.learning_rate)
    for rate in (recipe.g_learning_rate, recipe.d_learning_rate):
        if rate is not None:
            check_learning_rate(rate)
    n_critic, schedule = recipe.n_critic, recipe.schedule
    if isinstance(n_critic, bool) or not isinstance(n_critic, int) or n_critic < 1:
        raise RunError(f"n_critic: expected an integer of at least 1, got {n_critic!r}")
    if schedule is not None and not callable(schedule):
        raise RunError(f"schedule: expected a function of the step, got {schedule!r}")


def check_learning_rate(rate: Any) -> float:
    """A learning rate as a float; `RunError` unless it is finite and above 0."""
    if not (isinstance(rate, REAL) and 0 < rate < float("inf")):
        raise RunError(f"learning rate: expected a finite number above 0, got {rate!r}")
    return float(rate)


def has_batchnorm(network: Sequential) -> bool:
    """Whether a layer of the network lets the images of a batch affect each other."""
    return any(isinstance(layer, BatchNorm) for _, layer in network.modules())


def check_networks(generator: Sequential, discriminator: Sequential, recipe: Recipe) -> None:
    """Raise `RunError` unless the networks fit each other and the recipe.

    Parameters
    ----------
    generator, discriminator : built
    recipe : its batch size, packing, classes and penalty are checked
    """
    n, name, D = recipe.batch_size, recipe.name, without_sigmoid(discriminator)
    *_, (_, last) = D.modules()
    if isinstance(last, Sigmoid):
        raise RunError(
            "discriminator: expected logits, or a Sigmoid as the network's own last layer, "
            f"got {last.label} inside"
        )
    if generator.dtype != discriminator.dtype:
        raise RunError(
            f"discriminator: expected {generator.dtype}, the generator's dtype, "
            f"got {discriminator.dtype}"
        )
    if n < 2 and (has_batchnorm(generator) or has_batchnorm(discriminator)):
        raise RunError(
            f"batch size: expected at least 2, which batch norm needs in {name}, got {n}"
        )
    if n % recipe.pack:
        raise RunError(
            f"batch size: expected a multiple of {recipe.pack}, the number of images that D "
            f"scores at once, got {n}"
        )
    if recipe.clusters_per_image != 1 and (
        recipe.clusters_per_image != COLOURS or recipe.classes or not recipe.clusters
    ):
        raise RunError(
            f"recipe {name}: expected one cluster per image, or without classes one for each of "
            f"{COLOURS} channels, got {recipe.clusters_per_image}"
        )
    if recipe.pack > 1 and recipe.num_classes:
        raise RunError(f"recipe {name}: expected pack=1 with classes, got {recipe.pack}")
    image_shape = generator.output_shape((recipe.n_in,))
    outputs = D.output_shape(packed_shape(image_shape, recipe.pack))
    if outputs != (recipe.n_out,):
        k = recipe.one_hot_size
        wanted = f"{k} outputs per image, one for each class" if k else "one output per image"
        raise RunError(f"discriminator: expected {wanted}, got shape {outputs}")
    for _, layer in D.modules() if recipe.penalty else ():
        if type(layer).double_backward is Layer.double_backward:
            raise RunError(
                "penalty: expected a discriminator whose layers all have double_backward, "
                f"{layer.label} does not; train it without a penalty, or without that layer"
            )


def without_sigmoid(discriminator: Sequential) -> Sequential:
    """The discriminator up to its logits: a final Sigmoid is left to the losses."""
    return discriminator[:-1] if isinstance(discriminator[-1], Sigmoid) else discriminator
