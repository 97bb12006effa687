"""Weights files: networks that can be rebuilt from the file alone.

A file is an `.npz`: `header`, JSON as UTF-8 bytes, and one array for each parameter and running statistic, such as
`G/0.W` or `G/1.running_mean`. The header holds

    {"format": 1, "networks": {"G": {"type": "Sequential", "layers": [{"type": "Dense", "n_in": 100, ...}]}}, "info": {...}}

where `info` is the writer's own. Arrays of float16 become float32. Nothing in a file is ever executed: arrays are read
as plain numbers and pickled ones refused, layers are made from the list in nn/layers.py, and no array is allocated that the
file's real size does not cover.
"""

import json
import math
import zipfile
from pathlib import Path

import numpy as np

from nn.errors import ByhandError, WeightsError
from nn.files import atomic_write
from nn.layers import LAYERS
from nn.sequential import Sequential
from nn.torch_state import from_torch_state, to_torch_state

__all__ = ["save_weights", "load_weights", "describe", "rebuild", "to_torch_state", "from_torch_state"]

FORMAT = 1
HEADER = "header"
MAX_HEADER_BYTES = 1_000_000
REMEDY = "copy the file anew from where it was made, or train again"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # zip's zero: equal weights make equal files


def save_weights(path, networks, info=None, *, dtype=None):
    """Write networks, {"G": G, "D": D}, and a dict of your own that JSON can hold. The file appears whole or not at all.

    dtype: round the arrays to another element type; "float16" halves the file, and is read as float32 again.
    Errors: `WeightsError` for a network without memory, with a layer that no file can describe, or with values that are not
    finite, and for an info that is not JSON's; what was at `path` stays.
    """
    if not isinstance(networks, dict):
        raise WeightsError(f'{path}: expected networks by name, such as {{"net": net}}, got {type(networks).__name__}')
    header = {
        "format": FORMAT,
        "networks": {name: describe(network) for name, network in networks.items()},
        "info": info or {},
    }
    try:
        arrays = {HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}
    except (TypeError, ValueError) as problem:
        raise WeightsError(f"{path}: expected info that JSON can hold ({problem})") from None
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
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", FIRST_DATE), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def load_weights(path, *, device="cpu", dtype=None):
    """Read (networks, info) as they were saved; the networks are built, on a device, in the file's or another dtype.

    Errors: `WeightsError`, which names the file and what is wrong with it: missing, not a zip, truncated, pickled, of a
    later format, an array missing, extra, misshapen or not finite.
    """
    path = Path(path)
    try:
        return _load(path, device, dtype)
    except WeightsError as problem:
        raise WeightsError(f"{path}: {problem}") from None
    except IsADirectoryError:
        raise WeightsError(f"{path}: it is a folder; name the weights file (.npz) in it") from None
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file; expected a weights file (.npz) that a training wrote") from None
    except zipfile.BadZipFile as problem:
        raise WeightsError(
            f"{path}: expected an .npz file, got something else or a damaged one ({problem}); {REMEDY}"
        ) from None
    except ByhandError:
        raise
    except Exception as problem:  # whatever damage provokes in the readers of zip, .npy and JSON
        raise WeightsError(f"{path}: cannot be read ({problem}); {REMEDY}") from None


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


def _load(path, device, dtype):
    with zipfile.ZipFile(path) as archive:
        members = {}
        for member in archive.infolist():
            if member.filename in members or not member.filename.endswith(".npy"):
                raise WeightsError(f"expected arrays (.npy), each once, got {member.filename!r}")
            members[member.filename] = member
        header = _header(archive, members)
        networks = {name: rebuild(description) for name, description in header["networks"].items()}
        expected = {}
        for name, network in networks.items():
            for prefix, leaf in network.leaves():
                for key, shape in (leaf.parameter_shapes | leaf.statistic_shapes).items():
                    expected[f"{name}/{prefix}{key}"] = shape
        found = {name.removesuffix(".npy") for name in members} - {HEADER}
        for what, names in (("is missing", expected.keys() - found), ("was not expected", found - expected.keys())):
            if names:
                raise WeightsError(f"the array {min(names)!r} {what}; {REMEDY}")
        arrays = {name: _array(archive, members[f"{name}.npy"], shape) for name, shape in expected.items()}
    for name, network in networks.items():
        stored = next((str(a.dtype) for key, a in arrays.items() if key.startswith(f"{name}/")), "float32")
        network.build(seed=0, device=device, dtype=dtype or stored, name=name)
        for buffer in (network.parameters.value, network.parameters.statistics):
            for key, view in buffer.items():
                network.ops.copy_(view, network.ops.asarray(arrays[f"{name}/{key}"], view.dtype))
    return networks, header["info"]


def _header(archive, members):
    """The checked header."""
    member = members.get(f"{HEADER}.npy")
    if member is None:
        raise WeightsError(f"expected an array {HEADER!r}, as byhand writes it; found {', '.join(list(members)[:5]) or 'none'}")
    if member.file_size > MAX_HEADER_BYTES:
        raise WeightsError(f"expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {member.file_size:,}")
    try:
        header = json.loads(_array(archive, member, None, "uint8").tobytes())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise WeightsError(f"the header is not JSON ({problem}); {REMEDY}") from None
    if not isinstance(header, dict) or not isinstance(header.get("format"), int):
        raise WeightsError(f"the header has no format number; {REMEDY}")
    if header["format"] != FORMAT:
        advice = "update byhand to read it" if header["format"] > FORMAT else "no version of byhand wrote that"
        raise WeightsError(f"it has format {header['format']}, this version reads format {FORMAT}; {advice}")
    if not isinstance(header.get("networks"), dict) or not isinstance(header.get("info"), dict):
        raise WeightsError(f"the header does not describe networks; {REMEDY}")
    return header


def _array(archive, member, shape, dtype=None):
    """One array, of the given shape (None: any vector), checked before memory is taken for it."""
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read_header is None:
            raise WeightsError(f"the array {name!r} is in version {version} of .npy, which holds no weights; {REMEDY}")
        got_shape, fortran, got_dtype = read_header(file)
        if got_dtype.hasobject:
            raise WeightsError(f"the array {name!r} is pickled; such a file can run code and is not read")
        if got_dtype.name not in ([dtype] if dtype else ["float16", "float32", "float64"]):
            raise WeightsError(f"the array {name!r}: expected {dtype or 'float32'}, got {got_dtype}; {REMEDY}")
        if len(got_shape) != 1 if shape is None else got_shape != tuple(shape):
            raise WeightsError(f"the array {name!r}: expected shape {'(n,)' if shape is None else shape}, got {got_shape}; {REMEDY}")
        n_bytes = math.prod(got_shape) * got_dtype.itemsize
        if file.tell() + n_bytes != member.file_size:
            raise WeightsError(f"the array {name!r}: expected {n_bytes:,} bytes for shape {got_shape}, got another number; {REMEDY}")
        data = file.read(n_bytes)
        if len(data) != n_bytes or file.read(1):
            raise WeightsError(f"the array {name!r} is truncated; {REMEDY}")
    array = np.frombuffer(data, got_dtype).reshape(got_shape, order="F" if fortran else "C")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WeightsError(f"the array {name!r} holds values that are not finite (NaN or infinity); {REMEDY}")
    return array.astype("float32") if array.dtype == np.float16 else array  # float16 is for storing, not for computing
