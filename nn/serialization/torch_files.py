"""Weights as PyTorch files: written by `torch.save`, read by `torch.load(weights_only=True)`.

A file is a zip of a pickle and the numbers. Before PyTorch reads it, everything is checked that
could take memory beyond the file's size: the members are stored, not packed, and the pickle names
nothing but tensors and dicts. The tensors stay in the file until each has been found to have the
expected shape.
"""

from __future__ import annotations

import os
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn.errors import WeightsError
from nn.serialization.bounded_zip import open_zip
from nn.serialization.files import atomic_write
from nn.serialization.libraries import library
from nn.serialization.tensor_file import REMEDY, TensorFile, check_tensor, named
from nn.settings import Shape

INFO = "byhand"  # the key of what is no tensor
MAX_PICKLE_BYTES = 1_000_000
STORAGES = ("BFloat16", "Double", "Float", "Half", "Int", "Long")
ALLOWED = {  # what a state_dict's pickle names
    "collections OrderedDict",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {name}Storage" for name in STORAGES),
}
SAVE_A_STATE = "save the state alone: torch.save(net.state_dict(), path)"


def write_torch(
    path: str | os.PathLike[str],
    states: Mapping[str, Mapping[str, np.ndarray] | np.ndarray],
    info: Mapping[str, Any] | None,
) -> None:
    """Write states, {"G": {"0.weight": array, ...}}, or a single one, to a file.

    The file appears whole or not at all. `torch.load` returns the same dict with tensors, and with
    `info` beside them unless it is None.

    Raises
    ------
    MissingLibraryError
        If PyTorch is not installed.
    """
    torch = library("torch")

    def tensors(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: tensors(each) for name, each in value.items()}
        return torch.from_numpy(value)

    content = tensors(states)
    if info is not None:
        content[INFO] = dict(info)
    with atomic_write(path) as file:
        torch.save(content, file)


@contextmanager
def open_torch(path: str | os.PathLike[str]) -> Iterator[TensorFile]:
    """Open a file for reading; the names of nested states are joined, "G.0.weight".

    Returns
    -------
    context manager
        Yields a `TensorFile`.

    Raises
    ------
    MissingLibraryError
        If PyTorch is not installed.
    WeightsError
        If the file holds anything but states, or is damaged, or if something in the block raises
        it.
    """
    torch = library("torch")
    with named(path, "a PyTorch file of states"):
        try:
            _check_members(path)
        except zipfile.BadZipFile as problem:
            raise WeightsError(f"expected a file of torch.save ({problem}); {REMEDY}") from None
        content = torch.load(os.fspath(path), map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content, dict):
            raise WeightsError(
                f"expected a dict of tensors, got {type(content).__name__}; {SAVE_A_STATE}"
            )
        info = content.pop(INFO, {})
        tensors = dict(_flat(content, torch.Tensor))
        floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

        def read(name: str, shape: Shape) -> np.ndarray:
            tensor = tensors[name].detach()
            is_float = tensor.dtype in floats and tensor.layout == torch.strided
            check_tensor(name, shape, tensor.shape, is_float, tensor.dtype)
            if tensor.dtype == torch.bfloat16:  # which NumPy does not have
                tensor = tensor.float()
            return np.array(tensor.numpy())

        yield TensorFile(tuple(tensors), info if isinstance(info, dict) else {}, read)


def _check_members(path: str | os.PathLike[str]) -> None:
    """Raise unless the members are stored and whole, and the pickle is short and of tensors."""
    with open_zip(path) as file:
        members = file.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise zipfile.BadZipFile("it has packed members, which torch.save does not write")
        if sum(member.file_size for member in members) > os.path.getsize(path):
            raise zipfile.BadZipFile("its members are longer than the file")
        if (damaged := file.testzip()) is not None:
            raise zipfile.BadZipFile(f"its member {damaged!r} is damaged")
        pickles = [member for member in members if member.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise zipfile.BadZipFile("it has no pickle of tensors")
        if pickles[0].file_size > MAX_PICKLE_BYTES:
            raise WeightsError(
                f"expected a pickle of at most {MAX_PICKLE_BYTES:,} bytes, got "
                f"{pickles[0].file_size:,}; {SAVE_A_STATE}"
            )
        for code, argument, _ in pickletools.genops(file.read(pickles[0])):
            is_other_name = code.name == "GLOBAL" and argument not in ALLOWED
            if is_other_name or code.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
                named = str(argument).replace(" ", ".") if is_other_name else code.name
                raise WeightsError(f"expected tensors alone, got {named[:80]}; {SAVE_A_STATE}")


def _flat(content: Mapping[Any, Any], tensor: type) -> Iterator[tuple[str, Any]]:
    """The tensors of a dict, and of dicts in it, by name."""
    for name, value in content.items():
        if isinstance(value, tensor):
            yield str(name), value
        elif isinstance(value, dict) and all(isinstance(each, tensor) for each in value.values()):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            raise WeightsError(
                f"expected tensors, or dicts of them, got {type(value).__name__} at "
                f"{str(name)[:80]!r}; {SAVE_A_STATE}"
            )
