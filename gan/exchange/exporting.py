"""Writing a weights file in the formats of other libraries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from gan.exchange.onnx_models import discriminator_model, generator_model
from gan.generator_file import generator_of
from gan.sampling import Sampler
from nn import ByhandError, WeightsError, load_weights
from nn.serialization.onnx.graph import OPSET
from nn.serialization.onnx.model import save_onnx, to_onnx
from nn.serialization.safetensors_files import write_safetensors
from nn.serialization.torch_files import write_torch
from nn.serialization.torch_state import to_torch_state

SUFFIXES = (".onnx", ".safetensors", ".pt")
FILE_NAMES = {"G": "generator", "D": "discriminator"}  # of ONNX models in a folder
SAFE_NAME = re.compile(r"\w[\w-]{0,50}", re.ASCII)  # of a network, as part of a file's name


@dataclass(frozen=True)
class Weights:
    """What a weights file holds.

    Parameters
    ----------
    networks
        By name.
    info
        The writer's own, as `load_weights` returns it.
    sampler
        What drawing needs, if the file has a generator of images, or None.
    """

    networks: Mapping[str, Any]
    info: Mapping[str, Any]
    sampler: Sampler | None


def read_weights(path: str | PathLike[str], network: str | None = None) -> Weights:
    """Read a weights file, or one network of it.

    Raises
    ------
    WeightsError
        If it cannot be read, or has no such network.
    """
    networks, info = load_weights(path, device="numpy")
    is_generator = "G" in networks and "latent" in info
    sampler = generator_of(path, networks, info)[0] if is_generator else None
    if network is not None:
        if network not in networks:
            found = ", ".join(networks) or "none"
            raise WeightsError(f"{path}: expected a network {network!r} in it, found {found}")
        networks = {network: networks[network]}
    return Weights(networks, info, sampler)


def write_weights(path: Path, weights: Weights) -> str:
    """Write a file of the format that its suffix names.

    An ONNX model is that of "G", or of the only network. The other formats hold all networks, with
    names such as "G.0.weight".

    Returns
    -------
    str
        What the file holds.

    Raises
    ------
    MissingLibraryError
        If the library of the format is not installed.
    WeightsError
        If the file cannot hold the network.
    """
    if path.suffix == ".onnx":
        return _write_onnx(path, weights)
    states = {name: to_torch_state(network) for name, network in weights.networks.items()}
    if path.suffix == ".pt":
        write_torch(path, states, weights.info)
    else:
        flat = {f"{n}.{key}": array for n, state in states.items() for key, array in state.items()}
        write_safetensors(path, flat, weights.info)
    return f"{' and '.join(states)} in PyTorch's names"


def write_all(folder: Path, weights: Weights) -> tuple[dict[str, str], dict[str, str]]:
    """Write a model of each network and all weights, in every format whose library is installed.

    Returns
    -------
    (written, left_out)
        What each file holds, and why others were not written, by name of the file.
    """
    written, left_out = {}, {}
    files = {"weights.safetensors": weights, "weights.pt": weights}
    for name, network in weights.networks.items():
        if SAFE_NAME.fullmatch(name):
            one = Weights({name: network}, weights.info, weights.sampler)
            files[f"{FILE_NAMES.get(name, name)}.onnx"] = one
        else:
            left_out[".onnx"] = f"expected a network with a short name, got {name!r:.60}"
    for file, content in files.items():
        try:
            written[file] = write_weights(folder / file, content)
        except ByhandError as problem:
            left_out[file] = str(problem)
    return written, left_out


def _write_onnx(path: Path, weights: Weights) -> str:
    """Write the model of G, or of the only network."""
    networks, sampler = weights.networks, weights.sampler
    name = "G" if "G" in networks else next(iter(networks), "")
    if len(networks) != 1 and name != "G":
        raise WeightsError(
            f"{path}: expected one network for an ONNX model, got {', '.join(networks) or 'none'}; "
            "choose one with --network"
        )
    if sampler is not None and name == "G":
        model = generator_model(sampler)
    elif sampler is not None and name == "D":
        model = discriminator_model(networks[name], sampler)
    else:
        model = to_onnx(networks[name])
    save_onnx(path, model)
    inputs, outputs = (
        " and ".join(_in_words(each) for each in values)
        for values in (model.graph.input, model.graph.output)
    )
    return f"{name} in opset {OPSET}, from {inputs} to {outputs}"


def _in_words(value: Any) -> str:
    """An input or output: images (N, 1, 28, 28)."""
    sizes = [d.dim_param or str(d.dim_value) for d in value.type.tensor_type.shape.dim]
    return f"{value.name} ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
