"""Reading a generator from the weights file of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from gan.data.image_shapes import ImageShape
from gan.description import Description, is_image_shape
from gan.recipe import DIGITS
from gan.sampling import Sampler
from nn import ByhandError, Layer, Sequential, WeightsError, load_weights
from nn.ops.base import Ops
from nn.serialization.pass_size import pass_size

# The most numbers in a pass for one image: MAX_PASS_SIZE, three times those of dcgan, or for large
# images PER_NUMBER for each number of the image; conv-clusters needs up to 135.
MAX_PASS_SIZE, PER_NUMBER = 1_000_000, 200


def load_sampler(
    path: str | PathLike[str], device: str | Ops = "cpu", layers: Sequence[type[Layer]] = ()
) -> Sampler:
    """Read a generator, checked within bounds, and what drawing from it needs.

    Parameters
    ----------
    path
        The .npz.
    device
        "cpu", "cuda" and so on, or a backend.
    layers
        Your own layer classes that occur in the generator or the discriminator.

    Raises
    ------
    WeightsError
        If the file does not hold a generator of images.
    """
    return load_generator(path, device, layers)[0]


def load_generator(
    path: str | PathLike[str], device: str | Ops = "cpu", layers: Sequence[type[Layer]] = ()
) -> tuple[Sampler, Description]:
    """The same, and what the file says of it besides, such as how it was trained."""
    networks, info = load_weights(path, device=device, layers=layers)
    return generator_of(path, networks, info)


def generator_of(
    path: str | PathLike[str], networks: Mapping[str, Any], info: Mapping[str, Any]
) -> tuple[Sampler, Description]:
    """The same, from what `load_weights` has read at a path; raises as `load_sampler`."""
    if "G" not in networks:
        found = ", ".join(networks) or "no network"
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {found}")
    try:
        description = Description.from_info(info)
        image_shape = _image_shape(networks["G"], description)
    except ByhandError as problem:
        raise WeightsError(
            f"{path}: it does not say how to sample its generator ({problem})"
        ) from None
    sampler = Sampler(
        networks["G"],
        description.latent,
        description.image_range,
        description.classes,
        description.class_prior,
        image_shape,
        description.class_names,
        description.clusters_per_image,
    )
    return sampler, description


def _image_shape(generator: Sequential, description: Description) -> ImageShape:
    """The shape of its images; `WeightsError` unless it makes them in bounded memory."""
    n_in = description.n_in
    made = generator.output_shape((n_in,))
    guessed = made if is_image_shape(made) else DIGITS  # of version 0.1
    shape = description.image_shape or (guessed[0], guessed[1], guessed[2])
    expected = math.prod(shape)
    if made not in (shape, shape[1:], (expected,)):
        raise WeightsError(f"expected {expected} pixels, {shape}, got {math.prod(made)}, {made}")
    most = max(MAX_PASS_SIZE, PER_NUMBER * expected)
    if (size := pass_size(generator, (n_in,))) > most:
        raise WeightsError(
            f"expected at most {most:,} numbers in a pass for one image, got {size:,}"
        )
    return shape
