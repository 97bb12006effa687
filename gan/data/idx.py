"""IDX, the file format of MNIST: a big-endian header that says type and shape, then the elements in C order.

    byte 0, 1   zero
    byte 2      element type, a key of `TYPES`
    byte 3      number of dimensions
    then        one 4-byte unsigned size per dimension, then the elements

Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from gan.errors import DataError
from nn.serialization.files import atomic_write

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20  # bytes read at a time: memory follows what is there, never what a header promises
MOST_PACKED = 100_000_000  # bytes that a gzip file may unpack to, beyond its own size: twice what MNIST's needs


def read_idx(source):
    """Read one IDX file, gzipped or not.

    source: a path, or the file's bytes. -> array of the header's shape and type, in native byte order, writable.
    Memory stays within what the file really holds, and unpacking stops one byte after what the header promises.
    Errors: DataError, naming the file, if it is missing or unreadable, cut short, longer than its header says,
    not IDX, or a gzip stream that is damaged, or that promises more than MOST_PACKED beyond its own size.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(io.BytesIO(source), "<bytes>")
    try:
        with open(source, "rb") as file:
            return _read(file, os.fspath(source))
    except FileNotFoundError as error:
        raise DataError(
            f"{os.fspath(source)}: expected an IDX file, got no file; check the path, or fetch the file again"
        ) from error
    except OSError as error:
        raise DataError(
            f"{os.fspath(source)}: expected an IDX file that can be read, got {error.strerror or error}; "
            "check what the path names and its permissions"
        ) from error


def _read(file, name):
    gzipped = file.read(2) == GZIP_MAGIC
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not gzipped:
        return _parse(file, name)
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            return _parse(unpacked, name, n_bytes + MOST_PACKED)
    except EOFError as error:
        raise DataError(
            f"{name}: expected a whole gzip stream, got one that is cut short (truncated); fetch or copy it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{name}: expected a sound gzip stream, got a damaged one ({error}); fetch or copy it again"
        ) from error


def _parse(stream, name, most=math.inf):
    dtype, shape = _parse_header(stream, name)
    promised = math.prod(shape) * dtype.itemsize  # Python integers: cannot overflow
    if promised > most:
        raise DataError(
            f"{name}: expected a gzip file that unpacks to at most {most:,} bytes, got one whose header promises {promised:,}; "
            "fetch it again, or unpack it with gunzip if you trust it"
        )
    data = _take(stream, promised)
    what = f"{promised} bytes of data for {dtype.name} {shape}"
    if len(data) < promised:
        raise DataError(f"{name}: expected {what}, got {len(data)}: the file is truncated; fetch or copy it again")
    if stream.read(1):  # for gzip, this read also reaches and checks the stream's CRC
        raise DataError(
            f"{name}: expected {what}, got more: bytes trail behind the data, or the header's sizes "
            "do not match; fetch or copy it again"
        )
    try:
        array = np.frombuffer(data, dtype).reshape(shape)
    except ValueError as error:  # a zero-sized shape whose other sizes NumPy cannot hold; over 64 dimensions
        raise DataError(
            f"{name}: expected a shape that NumPy can hold, got {len(shape)} dimensions, {shape} "
            f"({error}); fetch or copy it again"
        ) from error
    if dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(dtype.newbyteorder("="))  # in the bytes as they were read


def _parse_header(stream, name):
    """-> element type (big-endian), shape."""
    magic = _take(stream, 4)
    if magic[:2] not in (b"", b"\0", b"\0\0"):
        raise DataError(
            f"{name}: expected IDX (00 00 first) or gzip (1f 8b first), got wrong magic {magic.hex(' ')}: "
            "not an IDX file; fetch or copy it again"
        )
    if len(magic) < 4:
        raise DataError(
            f"{name}: expected an IDX header, got {len(magic)} bytes: the file is empty or truncated; "
            "fetch or copy it again"
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
            "the file is truncated; fetch or copy it again"
        )
    return np.dtype(TYPES[magic[2]]), struct.unpack(f">{n_dims}I", sizes)


def _take(stream, count):
    """Up to `count` bytes, fewer only where the stream ends."""
    taken = bytearray()
    while chunk := stream.read(min(count - len(taken), CHUNK)):
        taken += chunk
    return taken


def write_idx(path, array):
    """Write `array` as IDX to `path`, gzipped if the name ends in .gz; the same array gives the same bytes.

    array: of a type in TYPES, in any byte order. The file appears under its name whole or not at all.
    Errors: DataError if IDX has no such element type.
    """
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder(">")
    codes = {np.dtype(known): code for code, known in TYPES.items()}
    if dtype not in codes:
        known = ", ".join(np.dtype(known).name for known in TYPES.values())
        raise DataError(
            f"{path}: expected an array of an IDX element type ({known}), got {array.dtype.name}; convert it with astype"
        )
    data = bytes([0, 0, codes[dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data += array.astype(dtype).tobytes()
    if Path(path).suffix == ".gz":
        data = gzip.compress(data, compresslevel=9, mtime=0)  # no time stamp: the bytes depend on the array alone
    with atomic_write(path) as file:
        file.write(data)
