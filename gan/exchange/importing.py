"""Reading a recipe's networks from a file of safetensors or PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gan.data.image_shapes import ImageShape
from gan.description import Description
from gan.own_recipes import FORMER
from gan.recipe import Recipe
from nn import Sequential, WeightsError
from nn.serialization.safetensors_files import open_safetensors
from nn.serialization.tensor_file import TensorFile
from nn.serialization.torch_files import open_torch
from nn.serialization.torch_state import check_torch_names, from_torch_state, torch_shapes

OPENERS = {".safetensors": open_safetensors, ".pt": open_torch, ".pth": open_torch}
NETWORKS = {"G": "G", "generator": "G", "D": "D", "discriminator": "D"}  # by prefix of the names


def import_weights(
    path: Path, recipe: Recipe, image_shape: ImageShape | None = None
) -> tuple[dict[str, Sequential], Description]:
    """Read G, and D if the file has it, for a recipe.

    Names begin with "G." or "D." (or "generator.", "discriminator."), then follow `to_torch_state`:
    "G.0.weight". Names without such a prefix are those of G. Every tensor is checked against the
    recipe's networks before it is read.

    Parameters
    ----------
    path
        A .safetensors, .pt or .pth.
    recipe
        The recipe.
    image_shape
        (C, H, W) of the images; None for what `byhand export` wrote into the file, or else the
        recipe's.

    Returns
    -------
    (networks, description)
        As a weights file of a run holds them.

    Raises
    ------
    MissingLibraryError
        If the library of the format is not installed.
    WeightsError
        If the file is not of such a format, or damaged, or does not fit the recipe, or the recipe
        has no networks for this image shape.
    """
    if path.suffix not in OPENERS:
        raise WeightsError(
            f"{path}: expected a name that ends in {', '.join(OPENERS)}, got another; export the "
            "weights to one of these formats"
        )
    arrays: dict[str, dict[str, Any]] = {}
    with OPENERS[path.suffix](path) as file:
        given = Description.from_info(file.info) if "latent" in file.info else None
        remedy = _remedy(recipe, given)
        recipe = _adapted(recipe, given, image_shape)
        makers = {"G": recipe.generator, "D": recipe.discriminator}
        networks: dict[str, Sequential] = {
            name: makers[name]() for name in makers if name in _prefixes(file)
        }
        for name, network in networks.items():
            with _named(name, remedy):
                arrays[name] = _read(file, name, network)
    for name, network in networks.items():
        network.build(seed=0, device="numpy", name=name)
        with _named(f"{path}: {name}"):
            from_torch_state(network, arrays[name])
    return networks, _description(recipe, given)


@contextmanager
def _named(name: str, remedy: str = "") -> Iterator[None]:
    """Begin the message of a `WeightsError` in the block with a name, and end it with a remedy."""
    try:
        yield
    except WeightsError as problem:
        raise WeightsError(f"{name}: {problem}{remedy}") from None


def _remedy(recipe: Recipe, given: Description | None) -> str:
    """What to do about arrays that are not those of the recipe."""
    if recipe.name in FORMER:
        return (
            f"; name the recipe and the image shape whose weights these are, not {recipe.name}, or "
            f"if an earlier version trained them, {FORMER[recipe.name].name}"
        )
    if given is not None and given.recipe not in (None, recipe.name):
        return f"; the file was exported from a run of {given.recipe}: name that recipe"
    return f"; name the recipe and the image shape whose weights these are, not {recipe.name}"


def _adapted(recipe: Recipe, given: Description | None, image_shape: ImageShape | None) -> Recipe:
    """The recipe for the images and the classes or clusters of the file."""
    if given is None:
        return recipe.for_images(image_shape or recipe.image_shape)
    recipe = recipe.for_images(image_shape or given.image_shape or recipe.image_shape)
    if recipe.classes and given.classes:
        recipe = replace(recipe, classes=given.classes)
    if recipe.clusters and given.class_prior:
        clusters = len(given.class_prior) // max(recipe.classes, 1)
        recipe = replace(recipe, clusters=clusters)
    return recipe


def _prefixes(file: TensorFile) -> dict[str, str]:
    """The prefixes of the names in the file, by network; G has none in a file of G alone."""
    found = {name.partition(".")[0] for name in file.names} & NETWORKS.keys()
    return {NETWORKS[prefix]: f"{prefix}." for prefix in sorted(found)} or {"G": ""}


def _read(file: TensorFile, network: str, layers: Sequential) -> dict[str, Any]:
    """The arrays of a network, unbuilt, by their names in it; the other network's are left out."""
    prefixes = _prefixes(file)
    others = tuple(prefix for name, prefix in prefixes.items() if name != network)
    names = {
        name.removeprefix(prefixes[network]): name
        for name in file.names
        if not others or not name.startswith(others)
    }
    shapes = torch_shapes(layers)
    check_torch_names(layers, names)
    return {key: file.read(names[key], shape) for key, shape in shapes.items() if key in names}


def _description(recipe: Recipe, given: Description | None) -> Description:
    """What the weights file says; clusters of unknown sizes are taken as equally likely."""
    prior: tuple[float, ...] | None = None
    if recipe.clusters:
        n = recipe.num_classes
        prior = (given and given.class_prior) or (1 / n,) * n
    names = given.class_names if given and recipe.classes else None
    training: Mapping[str, Any] = given.training if given else {}
    return Description(
        *(recipe.latent, recipe.image_range, recipe.classes, prior, recipe.name, training),
        *(recipe.image_shape, names, recipe.clusters_per_image),
    )
