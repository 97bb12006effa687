"""Arrays in .npy and .npz files from untrusted sources, read a block at a time."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from gan.data.images.image_set import BLOCK_BYTES
from gan.errors import DataError
from nn.serialization.bounded_zip import open_zip
from nn.serialization.npy import LENGTH_BYTES, read_header

EXPANSION = 100  # times that an .npz may grow: images that are mostly one colour reach about 50
EXPANSION_BYTES = 100_000_000  # that any .npz may grow by
AGAIN = "save it again with numpy.save or numpy.savez"


@dataclass
class StoredArray:
    """An array in a file that is open at its first element."""

    name: str
    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool

    def blocks(self) -> Iterator[np.ndarray]:
        """Consecutive parts along the first axis, about BLOCK_BYTES each."""
        if self.is_fortran or not self.shape:
            yield self.whole()
            return
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        n = max(1, BLOCK_BYTES // max(1, row_bytes))
        for first in range(0, self.shape[0], n):
            yield self._read((min(n, self.shape[0] - first), *self.shape[1:]))

    def whole(self) -> np.ndarray:
        """All of it."""
        return self._read(self.shape)

    def _read(self, shape: tuple[int, ...]) -> np.ndarray:
        n_bytes = math.prod(shape) * self.dtype.itemsize
        data = self.file.read(n_bytes)
        if len(data) < n_bytes:
            raise DataError(f"{self.name}: expected a whole array, got a truncated one; {AGAIN}")
        return np.frombuffer(data, self.dtype).reshape(shape, order="F" if self.is_fortran else "C")


@contextmanager
def open_arrays(path: Path) -> Iterator[dict[str, StoredArray]]:
    """Open a .npy as {"images": array}, or an .npz by the names in it: `images` and `labels`.

    Raises
    ------
    DataError
        For anything that fails in the block because of the file, which it names.
    """
    try:
        if path.exists() and not path.is_file():
            raise DataError("expected a .npy or .npz file, got a folder or device; name a file")
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
            if not is_zip:
                file.seek(0)
                yield {"images": _stored("images", file, os.path.getsize(path))}
        if is_zip:
            with open_zip(path) as archive:
                yield _members(archive, os.path.getsize(path))
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None
    except MemoryError:
        raise
    except OSError as problem:
        raise DataError(
            f"{path}: expected a .npy or .npz file, got {problem.strerror or problem}; check the "
            "path and its permissions"
        ) from None
    except Exception as problem:  # whatever damage provokes in the readers of zip and .npy
        raise DataError(
            f"{path}: expected a .npy or .npz file, got another or a damaged one ({problem}); "
            f"{AGAIN}"
        ) from None


def _members(archive: zipfile.ZipFile, n_bytes: int) -> dict[str, StoredArray]:
    """The arrays `images` and `labels` of an .npz."""
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if "images" not in members:
        names = ", ".join(list(members)[:5]) or "none"
        raise DataError(
            f"expected an array named images, got {names}; rename it, or pass the array itself"
        )
    found = {name: members[name] for name in ("images", "labels") if name in members}
    unpacked = sum(member.file_size for member in found.values())
    if unpacked > EXPANSION * n_bytes + EXPANSION_BYTES:
        raise DataError(
            f"expected arrays of at most {EXPANSION} times its own {n_bytes:,} bytes, got "
            f"{unpacked:,}; save it with numpy.savez if you trust it"
        )
    return {n: _stored(n, archive.open(each), each.file_size) for n, each in found.items()}


def _stored(name: str, file: IO[bytes], n_bytes: int) -> StoredArray:
    """The array in a file of a size, after its header has been read and checked."""
    version = np.lib.format.read_magic(file)
    if version not in LENGTH_BYTES:
        raise DataError(f"{name}: expected a plain array, got .npy version {version}; {AGAIN}")
    shape, is_fortran, dtype = read_header(file, version)
    if dtype.hasobject:
        raise DataError(
            f"{name}: expected numbers, got Python objects, which can run code and are not read; "
            "make one array of images of one size: np.stack(images)"
        )
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if expected != n_bytes:
        raise DataError(
            f"{name}: expected {expected:,} bytes for shape {shape}, got {n_bytes:,}: damaged; "
            f"{AGAIN}"
        )
    return StoredArray(name, file, shape, dtype, is_fortran)
