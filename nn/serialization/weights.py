"""Weights files: networks that can be rebuilt from the file alone.

A file is an `.npz`: `header`, JSON as UTF-8 bytes, and one array for each parameter and running statistic, such as
`G/0.W` or `G/1.running_mean`. The header holds

    {"format": 1, "networks": {"G": {"type": "Sequential", "layers": [{"type": "Dense", "n_in": 100, ...}]}}, "info": {...}}

where `info` is the writer's own. Arrays of float16 become float32. Nothing in a file is ever executed: arrays are read
as plain numbers and pickled ones refused, layers are made from the list in nn/layers/__init__.py, and no array is allocated that the
file's real size does not cover.
"""

import numpy as np

from nn.serialization.archive import REMEDY, open_archive, write_archive
from nn.errors import ByhandError, WeightsError
from nn.layers import LAYERS
from nn.layers.sequential import Sequential
from nn.serialization.torch_state import from_torch_state, to_torch_state

__all__ = ["save_weights", "load_weights", "describe", "rebuild", "to_torch_state", "from_torch_state"]

FORMAT = 1


def save_weights(path, networks, info=None, *, dtype=None):
    """Write networks, {"G": G, "D": D}, and a dict of your own that JSON can hold; NumPy's numbers and arrays become Python's
    numbers and lists. The file appears whole or not at all.

    dtype: round the arrays to another element type; "float16" halves the file, and is read as float32 again.
    Errors: `WeightsError` for a network without memory, with a layer that no file can describe, or with values that are not
    finite, and for an info that is not JSON's; what was at `path` stays.
    """
    if not isinstance(networks, dict):
        raise WeightsError(f'{path}: expected networks by name, such as {{"net": net}}, got {type(networks).__name__}')
    if not isinstance(info, dict | None):
        raise WeightsError(f'{path}: expected info by name, such as {{"epochs": 3}}, got {type(info).__name__}')
    header = {
        "format": FORMAT,
        "networks": {name: describe(network) for name, network in networks.items()},
        "info": info or {},
    }
    arrays = {}
    for name, network in networks.items():
        if network.ops is None:
            raise WeightsError(f"{path}: the network {name!r} has no memory yet, call .build(seed=...) before saving it")
        for prefix, leaf in network.leaves():
            for key in leaf.parameter_shapes | leaf.statistic_shapes:
                array = leaf.ops.to_host(getattr(leaf, key))
                with np.errstate(over="ignore"):  # what is too large for a smaller dtype is infinite, and refused below
                    arrays[f"{name}/{prefix}{key}"] = array.astype(dtype or array.dtype, copy=False)
                if not np.isfinite(arrays[f"{name}/{prefix}{key}"]).all():
                    raise WeightsError(f"{path}: {leaf.label} {key} holds NaN or infinity; such a network is not saved")
    write_archive(path, header, arrays)


def load_weights(path, *, device="cpu", dtype=None):
    """Read (networks, info) as they were saved; the networks are built, on a device, in the file's or another dtype.

    Errors: `WeightsError`, which names the file and what is wrong with it: missing, not a zip, truncated, pickled, of a
    later format, an array missing, extra, misshapen or not finite.
    """
    with open_archive(path, "a weights file") as archive:
        return _load(archive, device, dtype)


def describe(layer):
    """The architecture of a layer as plain JSON types."""
    if isinstance(layer, Sequential):
        return {"type": "Sequential", "layers": [describe(part) for part in layer.layers], "input_shape": layer.input_shape}
    if LAYERS.get(type(layer).__name__) is not type(layer):
        raise WeightsError(f"{layer.label} cannot be saved: a file describes layers of type {', '.join(LAYERS)}")
    settings = layer.settings()
    settings.pop("init", None)  # how the first values were drawn does not matter to a file that holds the values
    if "layer" in settings:  # one within another
        settings["layer"] = describe(settings["layer"])
    return {"type": type(layer).__name__, **settings}


def rebuild(description):
    """The layer that `describe` described; `WeightsError` for anything else."""
    if not isinstance(description, dict) or str(description.get("type")) not in LAYERS:
        raise WeightsError(f"expected a layer of type {', '.join(LAYERS)}, got {str(description)[:80]}")
    settings = {key: tuple(v) if isinstance(v, list) else v for key, v in description.items() if key != "type"}
    try:
        if description["type"] == "Sequential":
            parts = [rebuild(part) for part in settings.pop("layers")]
            return Sequential(*parts, **settings)
        if "layer" in settings:
            settings["layer"] = rebuild(settings["layer"])
        return LAYERS[description["type"]](**settings)
    except (TypeError, KeyError, ByhandError) as problem:
        raise WeightsError(f"the description of a {description['type']} does not make one ({problem})") from None


def _load(archive, device, dtype):
    header = archive.header(FORMAT)
    if not isinstance(header.get("networks"), dict) or not isinstance(header.get("info"), dict):
        raise WeightsError(f"the header does not describe networks; {REMEDY}")
    networks = {name: rebuild(description) for name, description in header["networks"].items()}
    expected = {}
    for name, network in networks.items():
        for prefix, leaf in network.leaves():
            for key, shape in (leaf.parameter_shapes | leaf.statistic_shapes).items():
                expected[f"{name}/{prefix}{key}"] = shape
    for what, names in (("is missing", expected.keys() - archive.names), ("was not expected", archive.names - expected.keys())):
        if names:
            raise WeightsError(f"the array {min(names)!r} {what}; {REMEDY}")
    arrays = {name: _finite(name, archive.array(name, shape)) for name, shape in expected.items()}
    for name, network in networks.items():
        stored = next((str(a.dtype) for key, a in arrays.items() if key.startswith(f"{name}/")), "float32")
        network.build(seed=0, device=device, dtype=dtype or stored, name=name)
        for buffer in (network.parameters.value, network.parameters.statistics):
            for key, view in buffer.items():
                network.ops.copy_(view, network.ops.asarray(arrays[f"{name}/{key}"], view.dtype))
    return networks, header["info"]


def _finite(name, array):
    if not np.isfinite(array).all():
        raise WeightsError(f"the array {name!r} holds values that are not finite (NaN or infinity); {REMEDY}")
    return array.astype("float32") if array.dtype == np.float16 else array  # float16 is for storing, not for computing
