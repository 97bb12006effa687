"""Weights as safetensors files, written and read by the library of that name.

Such a file is a JSON list of names, dtypes and shapes, then the numbers. Nothing in it can be
executed. The list is bounded here; the library checks that it fits the file's size.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn.errors import WeightsError
from nn.serialization.files import atomic_write
from nn.serialization.libraries import library
from nn.serialization.tensor_file import REMEDY, TensorFile, check_tensor, named
from nn.settings import Shape

INFO = "byhand"  # the key of our JSON in the file's metadata, whose values are strings
MAX_LIST_BYTES = 1_000_000  # of names, dtypes, shapes and metadata
SIZE_BYTES = 8  # at the start of the file: the length of the list
FLOATS = ("F16", "F32", "F64")


def write_safetensors(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> None:
    """Write arrays by name, and what JSON can hold, to a file that appears whole or not at all.

    Raises
    ------
    MissingLibraryError
        If the library safetensors is not installed.
    """
    save = library("safetensors.numpy").save
    metadata = {"format": "pt", INFO: json.dumps(dict(info))}  # "pt": for PyTorch's layouts
    with atomic_write(path) as file:
        file.write(save(dict(arrays), metadata))


@contextmanager
def open_safetensors(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """Open a file for reading.

    Returns
    -------
    context manager
        Yields a `TensorFile`.

    Raises
    ------
    MissingLibraryError
        If the library safetensors is not installed.
    WeightsError
        If the file is not such a file, or damaged, or if something in the block raises it.
    """
    safe_open = library("safetensors").safe_open
    with named(path, "a safetensors file"):
        with open(path, "rb") as raw:
            size = int.from_bytes(raw.read(SIZE_BYTES), "little")
        if size > MAX_LIST_BYTES:
            raise WeightsError(
                f"expected a list of at most {MAX_LIST_BYTES:,} bytes, got {size:,}; {REMEDY}"
            )
        with safe_open(os.fspath(path), framework="numpy") as file:

            def read(name: str, shape: Shape) -> np.ndarray:
                tensor = file.get_slice(name)
                dtype = tensor.get_dtype()
                check_tensor(name, shape, tensor.get_shape(), dtype in FLOATS, dtype)
                return np.array(file.get_tensor(name))

            yield TensorFile(tuple(file.keys()), _info(file.metadata()), read)


def _info(metadata: Mapping[str, str] | None) -> Mapping[str, Any]:
    """Our JSON in the metadata, or nothing."""
    try:
        info = json.loads((metadata or {}).get(INFO, "{}"))
    except (ValueError, RecursionError):
        info = None
    if not isinstance(info, dict):
        raise WeightsError(f"its metadata {INFO!r} is not a JSON object; {REMEDY}")
    return info
