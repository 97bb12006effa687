"""Archives of arrays: an `.npz` with a JSON `header` beside its arrays, which weights files and checkpoints are.

Nothing in a file is ever executed, and memory follows its real size: arrays are plain numbers, pickled ones are refused, and
what unpacks to more than MOST_PACKED beyond the file itself is refused before it is unpacked.
"""

import io
import json
import math
import os
import zipfile
from collections import Counter
from contextlib import contextmanager

import numpy as np

from nn.errors import DeviceError, DtypeError, WeightsError
from nn.serialization.files import atomic_write
from nn.serialization.npy import LENGTH_BYTES, read_header

HEADER = "header"
MAX_HEADER_BYTES = 100_000  # the layers that these can describe are made within a second
NPY_BYTES = 128  # before the elements of a vector
MOST_PACKED = 32_000_000  # bytes that a compressed file may unpack to, beyond its own size
MOST_LISTED = 1_000_000  # bytes of a zip file's list of members, which is read before anything else is known
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for memory that no header tells
REMEDY = "copy the file anew from where it was made, or train again"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # zip's zero: equal arrays make equal files


def write_archive(path, header, arrays):
    """Write a header that JSON, or NumPy, can hold, and host arrays by name; the file appears whole or not at all."""
    try:
        text = json.dumps(header, default=_as_json).encode()
    except (TypeError, ValueError) as problem:
        raise WeightsError(f"{path}: expected info that JSON can hold ({problem})") from None
    if len(text) + NPY_BYTES > MAX_HEADER_BYTES:
        raise WeightsError(f"{path}: expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {len(text):,}; give less info")
    arrays = {HEADER: np.frombuffer(text, np.uint8), **arrays}
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", FIRST_DATE), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _as_json(value):
    """What JSON holds for a number or an array of NumPy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"got a {type(value).__name__}")


@contextmanager
def open_archive(path, what):
    """An `Archive` of the file. what: the kind of file, for errors: "a weights file".

    Whatever goes wrong in the block because of the file is a `WeightsError` that names it.
    """
    try:
        with open_zip(path) as file:
            yield Archive(file, os.path.getsize(path))
    except WeightsError as problem:
        raise WeightsError(f"{path}: {problem}") from None
    except IsADirectoryError:
        raise WeightsError(f"{path}: it is a folder; name {what} (.npz) in it") from None
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file; expected {what} (.npz) that a training wrote") from None
    except zipfile.BadZipFile as problem:
        raise WeightsError(
            f"{path}: expected an .npz file, got something else or a damaged one ({problem}); {REMEDY}"
        ) from None
    except (DeviceError, DtypeError):  # of what was asked for, not of the file
        raise
    except Exception as problem:  # whatever damage provokes in the readers of zip, .npy and JSON
        raise WeightsError(f"{path}: cannot be read ({problem}); {REMEDY}") from None


@contextmanager
def open_zip(path):
    """A `ZipFile` whose members are few, have a name each, and are packed as `numpy.savez` does it; else `BadZipFile`."""
    with _ShortReads(path) as source, zipfile.ZipFile(source) as file:
        source.limit = None
        names = Counter(member.filename for member in file.infolist())
        for name, count in names.most_common(1):
            if count > 1:
                raise zipfile.BadZipFile(f"{name!r} is there twice")
        if any(member.compress_type not in METHODS for member in file.infolist()):
            raise zipfile.BadZipFile("it is packed in a way that is not read here")
        yield file


class _ShortReads(io.FileIO):
    """A file that gives no more than `limit` bytes at once, while there is a limit."""

    limit = MOST_LISTED

    def read(self, size=-1):
        if self.limit is not None and size > self.limit:
            raise zipfile.BadZipFile(f"expected a list of members of at most {self.limit:,} bytes, got {size:,}")
        return super().read(self.limit if size < 0 and self.limit is not None else size)


class Archive:
    """The arrays of an open zip file, by name, each checked before memory is taken for it."""

    def __init__(self, file, n_bytes):
        self._file, self._members = file, {}
        for member in file.infolist():
            if not member.filename.endswith(".npy"):
                raise WeightsError(f"expected arrays (.npy), got {member.filename!r}")
            self._members[member.filename] = member
        unpacked = sum(member.file_size for member in self._members.values())
        if unpacked > n_bytes + MOST_PACKED:
            raise WeightsError(f"it promises {unpacked:,} bytes of arrays in a file of {n_bytes:,}; {REMEDY}")

    @property
    def names(self):
        """The arrays' names, without the header's."""
        return {name.removesuffix(".npy") for name in self._members} - {HEADER}

    def header(self, newest, oldest=None):
        """The header, of a format from `oldest` to `newest`, or of `newest` alone."""
        member = self._members.get(f"{HEADER}.npy")
        if member is None:
            found = ", ".join(list(self._members)[:5]) or "none"
            raise WeightsError(f"expected an array {HEADER!r}, as byhand writes it; found {found}")
        if member.file_size > MAX_HEADER_BYTES:
            raise WeightsError(f"expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {member.file_size:,}")
        try:
            header = json.loads(self.array(HEADER, dtypes=("uint8",)).tobytes())
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
            raise WeightsError(f"the header is not JSON ({problem}); {REMEDY}") from None
        if not isinstance(header, dict) or not isinstance(header.get("format"), int):
            raise WeightsError(f"the header has no format number; {REMEDY}")
        oldest = newest if oldest is None else oldest
        if not oldest <= header["format"] <= newest:
            advice = "update byhand to read it" if header["format"] > newest else "no version of byhand wrote that"
            readable = f"format {newest}" if oldest == newest else f"formats {oldest} to {newest}"
            raise WeightsError(f"it has format {header['format']}, this version reads {readable}; {advice}")
        return header

    def array(self, name, shape=None, dtypes=("float16", "float32", "float64")):
        """One array, of the given shape (None: any) and of one of the dtypes, in native byte order."""
        member = self._members[f"{name}.npy"]
        with self._file.open(member) as file:
            version = np.lib.format.read_magic(file)
            if version not in LENGTH_BYTES:
                raise WeightsError(f"the array {name!r} is in version {version} of .npy, which holds no weights; {REMEDY}")
            try:
                got_shape, fortran, got_dtype = read_header(file, version)
            except (TypeError, ValueError) as problem:
                raise WeightsError(f"the array {name!r}: expected {dtypes[len(dtypes) // 2]} ({problem}); {REMEDY}") from None
            if got_dtype.hasobject:
                raise WeightsError(f"the array {name!r} is pickled; such a file can run code and is not read")
            if got_dtype.name not in dtypes:
                raise WeightsError(f"the array {name!r}: expected {dtypes[len(dtypes) // 2]}, got {got_dtype}; {REMEDY}")
            if shape is not None and got_shape != tuple(shape):
                raise WeightsError(f"the array {name!r}: expected shape {shape}, got {got_shape}; {REMEDY}")
            n_bytes = math.prod(got_shape) * got_dtype.itemsize
            if file.tell() + n_bytes != member.file_size:
                raise WeightsError(
                    f"the array {name!r}: expected {n_bytes:,} bytes for shape {got_shape}, got another number; {REMEDY}"
                )
            data = file.read(n_bytes)
            if len(data) != n_bytes or file.read(1):
                raise WeightsError(f"the array {name!r} is truncated; {REMEDY}")
        array = np.frombuffer(data, got_dtype).reshape(got_shape, order="F" if fortran else "C")
        return array.astype(got_dtype.newbyteorder("="), copy=False)
