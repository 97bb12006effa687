"""Reading a generator from the weights file of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike

from gan.description import Description
from gan.sampling import Sampler
from nn import ByhandError, Layer, Sequential, WeightsError, load_weights
from nn.ops.base import Ops
from nn.serialization.pass_size import pass_size

MAX_PASS_SIZE = 1_000_000  # numbers per image: three times those of dcgan, the largest recipe


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
        If the file does not hold a generator of digits.
    """
    networks, info = load_weights(path, device=device, layers=layers)
    if "G" not in networks:
        found = ", ".join(networks) or "no network"
        raise WeightsError(f"{path}: expected a generator 'G' in it, found {found}")
    try:
        description = Description.from_info(info)
        _check_generator(networks["G"], description.n_in)
    except ByhandError as problem:
        raise WeightsError(
            f"{path}: it does not say how to sample its generator ({problem})"
        ) from None
    return Sampler(
        networks["G"],
        description.latent,
        description.image_range,
        description.classes,
        description.class_prior,
    )


def _check_generator(generator: Sequential, n_in: int) -> None:
    """Raise `WeightsError` unless it turns n_in numbers into a digit in bounded memory."""
    pixels = math.prod(generator.output_shape((n_in,)))
    if pixels != 784:
        raise WeightsError(f"expected 784 pixels, got {pixels}")
    if (size := pass_size(generator, (n_in,))) > MAX_PASS_SIZE:
        raise WeightsError(
            f"expected at most {MAX_PASS_SIZE:,} numbers in a pass for one image, got {size:,}"
        )
