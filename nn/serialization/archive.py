"""Archives: an `.npz` with a JSON header beside its arrays, for weights files and checkpoints.

`numpy.load` limits neither memory nor what a file may contain. Here nothing in a file is executed,
and memory is bounded by the file's real size: arrays are plain numbers, pickled ones are refused,
and a file that unpacks to more than MAX_EXPANSION bytes beyond its own size is refused before it is
unpacked.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from nn.errors import DeviceError, DtypeError, WeightsError
from nn.serialization.bounded_zip import open_zip
from nn.serialization.files import atomic_write
from nn.serialization.npy import REMEDY, read_array

HEADER = "header"
MAX_HEADER_BYTES = 100_000  # the layers that fit are built within a second
NPY_BYTES = 128  # before the elements of a vector
MAX_EXPANSION = 32_000_000  # bytes that a file may unpack to, beyond its own size
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # zip's zero: equal arrays make equal files
FLOATS = ("float16", "float32", "float64")


def write_archive(
    path: str | os.PathLike[str], header: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write an archive atomically.

    Parameters
    ----------
    path
        The file.
    header
        What JSON can hold; NumPy's numbers and arrays become Python's numbers and lists.
    arrays
        Host arrays by name.

    Raises
    ------
    WeightsError
        If the header is not JSON, or too long.
    """
    try:
        text = json.dumps(header, default=_as_json).encode()
    except (TypeError, ValueError) as problem:
        raise WeightsError(f"{path}: expected info that JSON can hold ({problem})") from None
    if len(text) + NPY_BYTES > MAX_HEADER_BYTES:
        raise WeightsError(
            f"{path}: expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {len(text):,}; "
            "give less info"
        )
    arrays = {HEADER: np.frombuffer(text, np.uint8), **arrays}
    with (
        atomic_write(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", FIRST_DATE)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _as_json(value: object) -> Any:
    """A NumPy number or array as JSON holds it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"got a {type(value).__name__}")


@contextmanager
def open_archive(path: str | os.PathLike[str], what: str) -> Iterator[Archive]:
    """Open an archive for reading.

    Parameters
    ----------
    path
        The file.
    what
        The kind of file, for errors: "a weights file".

    Returns
    -------
    context manager
        Yields an `Archive`.

    Raises
    ------
    WeightsError
        For anything that fails in the block because of the file, which it names.
    """
    try:
        with open_zip(path) as file:
            yield Archive(file, os.path.getsize(path))
    except WeightsError as problem:
        raise WeightsError(f"{path}: {problem}") from None
    except IsADirectoryError:
        raise WeightsError(f"{path}: it is a folder; name {what} (.npz) in it") from None
    except FileNotFoundError:
        raise WeightsError(
            f"{path}: there is no such file; expected {what} (.npz) that a run wrote"
        ) from None
    except zipfile.BadZipFile as problem:
        raise WeightsError(
            f"{path}: expected an .npz file, got something else or a damaged one ({problem}); "
            f"{REMEDY}"
        ) from None
    except (DeviceError, DtypeError):  # caused by the caller's request, not by the file
        raise
    except Exception as problem:  # whatever damage provokes in the readers of zip, .npy and JSON
        raise WeightsError(f"{path}: cannot be read ({problem}); {REMEDY}") from None


class Archive:
    """The arrays of an open zip file, by name, each checked before memory is allocated for it."""

    def __init__(self, file: zipfile.ZipFile, n_bytes: int) -> None:
        self._file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in file.infolist():
            if not member.filename.endswith(".npy"):
                raise WeightsError(f"expected arrays (.npy), got {member.filename!r}")
            self._members[member.filename] = member
        unpacked = sum(member.file_size for member in self._members.values())
        if unpacked > n_bytes + MAX_EXPANSION:
            raise WeightsError(
                f"it promises {unpacked:,} bytes of arrays in a file of {n_bytes:,}; {REMEDY}"
            )

    @property
    def names(self) -> set[str]:
        """The names of the arrays, without the header's."""
        return {name.removesuffix(".npy") for name in self._members} - {HEADER}

    def header(self, newest: int, oldest: int | None = None) -> dict[str, Any]:
        """The header, if its format is between `oldest` (None: `newest`) and `newest`."""
        member = self._members.get(f"{HEADER}.npy")
        if member is None:
            found = ", ".join(list(self._members)[:5]) or "none"
            raise WeightsError(f"expected an array {HEADER!r}, as byhand writes it; found {found}")
        if member.file_size > MAX_HEADER_BYTES:
            raise WeightsError(
                f"expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {member.file_size:,}"
            )
        try:
            header = json.loads(self.array(HEADER, dtypes=("uint8",)).tobytes())
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
            raise WeightsError(f"the header is not JSON ({problem}); {REMEDY}") from None
        if not isinstance(header, dict) or not isinstance(header.get("format"), int):
            raise WeightsError(f"the header has no format number; {REMEDY}")
        number = header["format"]
        oldest = newest if oldest is None else oldest
        if not oldest <= number <= newest:
            is_newer = number > newest
            advice = "update byhand to read it" if is_newer else "no version of byhand wrote that"
            readable = f"format {newest}" if oldest == newest else f"formats {oldest} to {newest}"
            raise WeightsError(f"it has format {number}, this version reads {readable}; {advice}")
        return header

    def array(
        self, name: str, shape: Sequence[int] | None = None, dtypes: Sequence[str] = FLOATS
    ) -> np.ndarray:
        """Read one array; see `read_array`."""
        member = self._members[f"{name}.npy"]
        with self._file.open(member) as file:
            return read_array(file, member.file_size, name, shape, dtypes)
