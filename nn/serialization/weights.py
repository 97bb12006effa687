"""Weights files: networks that can be made again from the file alone.

A file is an `.npz` with a `header`, JSON as UTF-8 bytes, and one array for each parameter and
running statistic, such as `G/0.W` or `G/1.running_mean`. The header holds ::

    {"format": 1,
     "networks": {"G": {"type": "Sequential", "layers": [{"type": "Dense", "n_in": 100, ...}]}},
     "info": {...}}

where `info` is the writer's own. float16 arrays are read as float32.

Nothing in a file is ever executed: arrays are read as plain numbers and pickled ones are refused,
only the package's layers and the classes passed to `load_weights` are made, and no array is
allocated that the file's real size does not cover.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from nn.errors import WeightsError
from nn.layers.base import Layer
from nn.layers.config import LAYERS
from nn.serialization.archive import open_archive, write_archive
from nn.serialization.npy import REMEDY

FORMAT = 1


def save_weights(
    path: str | PathLike[str],
    networks: dict[str, Any],
    info: dict[str, Any] | None = None,
    *,
    dtype: Any = None,
) -> None:
    """Write networks to a file, which appears whole or not at all.

    Parameters
    ----------
    path : str or path
    networks : dict of str to Layer
        {"G": G, "D": D}, all built.
    info : dict, optional
        Anything that JSON can hold; NumPy's numbers and arrays become numbers and lists.
    dtype : optional
        Round the arrays to another dtype; "float16" halves the file and is read as float32.

    Raises
    ------
    WeightsError
        If a network has no memory, a layer that a file cannot describe, or values that are not
        finite, or if JSON cannot hold `info`. What was at `path` stays.
    """
    if not isinstance(networks, dict):
        raise WeightsError(
            f'{path}: expected networks by name, such as {{"net": net}}, '
            f"got {type(networks).__name__}"
        )
    if not isinstance(info, dict | None):
        raise WeightsError(
            f'{path}: expected info by name, such as {{"epochs": 3}}, got {type(info).__name__}'
        )
    header = {
        "format": FORMAT,
        "networks": {name: network.to_config() for name, network in networks.items()},
        "info": info or {},
    }
    arrays = {}
    for name, network in networks.items():
        if network.ops is None:
            raise WeightsError(
                f"{path}: the network {name!r} has no memory yet, "
                "call .build(seed=...) before saving it"
            )
        for prefix, module in network.modules():
            for key in module.parameter_shapes | module.statistic_shapes:
                array = module.ops.to_host(getattr(module, key))
                with np.errstate(over="ignore"):  # overflow becomes infinity and is refused below
                    array = array.astype(dtype or array.dtype, copy=False)
                if not np.isfinite(array).all():
                    raise WeightsError(
                        f"{path}: {module.label} {key} holds NaN or infinity; "
                        "such a network is not saved"
                    )
                arrays[f"{name}/{prefix}{key}"] = array
    write_archive(path, header, arrays)


def load_weights(
    path: str | PathLike[str],
    *,
    device: Any = "cpu",
    dtype: Any = None,
    layers: Sequence[type[Layer]] = (),
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read networks and info from a file.

    Parameters
    ----------
    path : str or path
    device : str or a backend
        Where the networks are built; see `get_ops`.
    dtype : "float32" or "float64", optional
        The file's by default.
    layers : sequence of Layer classes
        Your own classes that occur in the file, found by their names: ``layers=[Scale]``. A file
        can make layers of these classes and of the package's own, no others.

    Returns
    -------
    networks : dict of str to Layer
    info : dict

    Raises
    ------
    WeightsError
        If the file is missing, damaged, pickled or of a later format, or an array is missing,
        unexpected, misshapen or not finite. The message names the file.
    """
    for layer in layers:
        if not isinstance(layer, type) or not issubclass(layer, Layer):
            raise WeightsError(f"layers: expected classes of layers, got {layer!r}")
        if LAYERS.get(layer.__name__, layer) is not layer:
            raise WeightsError(
                f"layers: expected other names than the package's, got {layer.__name__}; "
                "rename your class"
            )
    names = [layer.__name__ for layer in layers]
    for name in names:
        if names.count(name) > 1:
            raise WeightsError(
                f"layers: expected classes of different names, got {name} twice; rename one"
            )
    with open_archive(path, "a weights file") as archive:
        return _load(archive, device, dtype, layers)


def _load(
    archive: Any, device: Any, dtype: Any, layers: Sequence[type[Layer]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    header = archive.header(FORMAT)
    if not isinstance(header.get("networks"), dict) or not isinstance(header.get("info"), dict):
        raise WeightsError(f"the header does not describe networks; {REMEDY}")
    networks = {
        name: Layer.from_config(config, layers) for name, config in header["networks"].items()
    }
    shapes = {}
    for name, network in networks.items():
        for prefix, module in network.modules():
            for key, shape in (module.parameter_shapes | module.statistic_shapes).items():
                shapes[f"{name}/{prefix}{key}"] = shape
    for what, names in (
        ("is missing", shapes.keys() - archive.names),
        ("was not expected", archive.names - shapes.keys()),
    ):
        if names:
            raise WeightsError(f"the array {min(names)!r} {what}; {REMEDY}")
    arrays = {name: _finite(name, archive.array(name, shape)) for name, shape in shapes.items()}
    for name, network in networks.items():
        _build(network, name, arrays, device, dtype)
    return networks, header["info"]


def _build(
    network: Layer, name: str, arrays: Mapping[str, np.ndarray], device: Any, dtype: Any
) -> None:
    """Build a network and fill it with its arrays."""
    stored = next((str(a.dtype) for key, a in arrays.items() if key.startswith(f"{name}/")), None)
    network.build(seed=0, device=device, dtype=dtype or stored or "float32", name=name)
    for buffer in (network.parameters.value, network.parameters.statistics):
        for key, view in buffer.items():
            network.ops.copy_(view, network.ops.asarray(arrays[f"{name}/{key}"], view.dtype))


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    """The array if it is finite, with float16 as float32: float16 is for storage only."""
    if not np.isfinite(array).all():
        raise WeightsError(
            f"the array {name!r} holds values that are not finite (NaN or infinity); {REMEDY}"
        )
    return array.astype("float32") if array.dtype == np.float16 else array
