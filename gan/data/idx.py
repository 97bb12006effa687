"""IDX, MNIST's file format: a big-endian header with type and shape, then the elements in C order.

    byte 0, 1   zero
    byte 2      element type, a key of `TYPES`
    byte 3      number of dimensions
    then        one 4-byte unsigned size per dimension, then the elements

The reader is our own: its memory is bounded by the size of the file, whatever the header claims.
Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from gan.errors import DataError
from nn.serialization.files import atomic_write

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes read at a time
MAX_EXPANSION = 100_000_000  # bytes unpacked beyond the file's own size: twice what MNIST needs

Stream = IO[bytes] | gzip.GzipFile
Source = str | os.PathLike[str] | bytes | bytearray | memoryview


def read_idx(source: Source) -> np.ndarray:
    """Read an IDX file, gzipped or not.

    Memory is bounded by the size of the file. Unpacking stops one byte after the size that the
    header claims.

    Parameters
    ----------
    source
        A path, or the file's bytes.

    Returns
    -------
    ndarray
        Of the header's shape and type, in native byte order, writable.

    Raises
    ------
    DataError
        If the file is missing, unreadable, not IDX, truncated or longer than its header says, or
        if its gzip stream is damaged or larger than the file by more than MAX_EXPANSION bytes; the
        message names the file.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(io.BytesIO(source), "<bytes>")
    try:
        with open(source, "rb") as file:
            return _read(file, os.fspath(source))
    except FileNotFoundError as error:
        raise DataError(
            f"{os.fspath(source)}: expected an IDX file, got no file; check the path, or fetch "
            "the file again"
        ) from error
    except OSError as error:
        raise DataError(
            f"{os.fspath(source)}: expected a readable IDX file, got {error.strerror or error}; "
            "check the path and its permissions, or fetch the file again"
        ) from error


def _read(file: IO[bytes], name: str) -> np.ndarray:
    """The array in a file that may be gzipped."""
    gzipped = file.read(2) == GZIP_MAGIC
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not gzipped:
        return _parse(file, name)
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            return _parse(unpacked, name, limit=n_bytes + MAX_EXPANSION)
    except EOFError as error:
        raise DataError(
            f"{name}: expected a complete gzip stream, got a truncated one; fetch or copy it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name}: expected an intact gzip stream, got a damaged one ({error}); fetch or copy "
            "it again"
        ) from error


def _parse(stream: Stream, name: str, limit: float = math.inf) -> np.ndarray:
    """The array in an unpacked stream of at most `limit` bytes."""
    dtype, shape = _parse_header(stream, name)
    claimed = math.prod(shape) * dtype.itemsize  # Python integers: cannot overflow
    if claimed > limit:
        raise DataError(
            f"{name}: expected a gzip file that unpacks to at most {limit:,} bytes, got a "
            f"header that claims {claimed:,}; fetch it again, or gunzip it if you trust it"
        )
    data = _take(stream, claimed)
    what = f"{claimed} bytes of data for {dtype.name} {shape}"
    if len(data) < claimed:
        raise DataError(
            f"{name}: expected {what}, got {len(data)}: truncated; fetch or copy it again"
        )
    if stream.read(1):  # for gzip, this read also reaches and checks the stream's CRC
        raise DataError(
            f"{name}: expected {what}, got more: there are trailing bytes, or the header's sizes "
            "are wrong; fetch or copy it again"
        )
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:  # over 64 dimensions, or an empty shape with huge sizes
        raise DataError(
            f"{name}: expected a shape that NumPy can hold, got {len(shape)} dimensions, {shape} "
            f"({error}); fetch or copy it again"
        ) from error
    if dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _parse_header(stream: Stream, name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """The element type (big-endian) and the shape."""
    magic = _take(stream, 4)
    if magic[:2] not in (b"", b"\0", b"\0\0"):
        raise DataError(
            f"{name}: expected IDX (00 00 first) or gzip (1f 8b first), got wrong magic "
            f"{magic.hex(' ')}: not an IDX file; fetch or copy it again"
        )
    if len(magic) < 4:
        raise DataError(
            f"{name}: expected an IDX header, got {len(magic)} bytes: the file is empty or "
            "truncated; fetch or copy it again"
        )
    if magic[2] not in TYPES:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise DataError(
            f"{name}: expected an element type among {known}, got 0x{magic[2]:02x} (magic "
            f"{magic.hex(' ')}): not an IDX file; fetch or copy it again"
        )
    n_dims = magic[3]
    sizes = _take(stream, 4 * n_dims)
    if len(sizes) < 4 * n_dims:
        raise DataError(
            f"{name}: expected a header of {n_dims} sizes, got {4 + len(sizes)} bytes in all: "
            "truncated; fetch or copy it again"
        )
    return np.dtype(TYPES[magic[2]]), struct.unpack(f">{n_dims}I", sizes)


def _take(stream: Stream, count: int) -> bytearray:
    """Read `count` bytes, fewer only if the stream ends."""
    taken = bytearray()
    while chunk := stream.read(min(count - len(taken), CHUNK)):
        taken += chunk
    return taken


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as IDX, gzipped if the name ends in .gz; equal arrays give equal bytes.

    Parameters
    ----------
    path
        The file to write; it appears complete or not at all.
    array
        Of an element type in `TYPES`, in any byte order.

    Raises
    ------
    DataError
        If IDX has no such element type.
    """
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder(">")
    codes = {np.dtype(known): code for code, known in TYPES.items()}
    if dtype not in codes:
        known = ", ".join(np.dtype(known).name for known in TYPES.values())
        raise DataError(
            f"{path}: expected an array of an IDX element type ({known}), got "
            f"{array.dtype.name}; convert it with astype"
        )
    data = bytes([0, 0, codes[dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data += array.astype(dtype).tobytes()
    if Path(path).suffix == ".gz":
        data = gzip.compress(data, compresslevel=9, mtime=0)  # no time stamp
    with atomic_write(path) as file:
        file.write(data)
