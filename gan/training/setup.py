"""Parts of a trainer: built networks, a sampler, and inputs for its fixed samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gan.data.clusters import class_prior
from gan.data.image_shapes import POINTS
from gan.errors import RunError
from gan.recipe import Recipe
from gan.sampling import Sampler, square
from nn import Sequential
from nn.ops.base import Array

N_FIXED, N_FIXED_POINTS = 64, 512  # fixed samples of a recipe without labelled classes
MIN_COLUMNS, MAX_COLUMNS = 8, 10  # of the grid with labelled classes, about


def built_network(network: Any, seed: np.random.SeedSequence, ops: Any, name: str) -> Sequential:
    """The network on the backend `ops`, built there unless it is already.

    Raises
    ------
    RunError : it is not a `Sequential`, or was built on another device
    """
    if not isinstance(network, Sequential):
        raise RunError(f"network {name}: expected a Sequential, got {network!r}")
    if network.parameters is None:
        return network.build(seed, device=ops, name=name)
    if network.ops.device != ops.device:
        raise RunError(
            f"network {name}: expected it on {ops.device}, got one built on {network.ops.device}"
        )
    return network


def make_sampler(
    recipe: Recipe,
    generator: Sequential,
    cluster_ids: np.ndarray | None,
    class_names: tuple[str, ...] | None,
) -> Sampler:
    """The recipe's sampler, which draws clusters as often as they occur in the training images."""
    prior = None if cluster_ids is None else class_prior(cluster_ids, recipe.num_classes)
    made = generator.output_shape((recipe.n_in,))
    is_flat = made == (math.prod(recipe.image_shape),)
    return Sampler(
        generator,
        recipe.latent,
        recipe.image_range,
        recipe.classes,
        prior,
        recipe.image_shape if is_flat else square(made),
        class_names if recipe.classes else None,
        recipe.clusters_per_image,
    )


def fixed_inputs(sampler: Sampler, seed: np.random.SeedSequence) -> Array:
    """N_FIXED inputs, or N_FIXED_POINTS for points.

    With labelled classes, a square grid with each class in its columns. With more than MAX_COLUMNS
    classes, the grid runs through them row by row.
    """
    k = sampler.classes
    if not k:
        n = N_FIXED_POINTS if sampler.image_shape == POINTS else N_FIXED
        return sampler.inputs(n, seed)
    side = k * max(1, round(MIN_COLUMNS / k)) if k <= MAX_COLUMNS else MAX_COLUMNS
    return sampler.inputs(side**2, seed, np.arange(side**2) % k)
