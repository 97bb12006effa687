"""Parts of a trainer: built networks, a sampler, and inputs for its fixed samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.data.clusters import class_prior
from gan.errors import RunError
from gan.recipe import Recipe
from gan.sampling import Sampler
from nn import Sequential
from nn.ops.base import Array

N_FIXED = 64  # fixed samples of a recipe without labelled classes


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


def make_sampler(recipe: Recipe, generator: Sequential, cluster_ids: np.ndarray | None) -> Sampler:
    """The recipe's sampler, which draws clusters as often as they occur in the training images."""
    prior = None if cluster_ids is None else class_prior(cluster_ids, recipe.clusters)
    return Sampler(generator, recipe.latent, recipe.image_range, recipe.classes, prior)


def fixed_inputs(sampler: Sampler, seed: np.random.SeedSequence) -> Array:
    """N_FIXED inputs, or k * k with k labelled classes: a grid with a column for each class."""
    if not sampler.classes:
        return sampler.inputs(N_FIXED, seed)
    classes = np.tile(np.arange(sampler.classes), sampler.classes)
    return sampler.inputs(len(classes), seed, classes)
