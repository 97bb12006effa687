"""Arrays in .npy format from untrusted sources, read strictly.

NumPy's own readers repair what Python 2 wrote, and warn. A warning can be turned into an error only
for all threads of the process at once, so the header is parsed here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import IO

import numpy as np

from nn.errors import WeightsError

REMEDY = "copy the file again from where it was made, or train again"
LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # of the header's length, by version of the format
MAX_BYTES = 10_000  # of a header, as in NumPy
HEADER = re.compile(
    rb"\{ *'descr': *'([<>|=]?[A-Za-z]\d*(?:\[\w+\])?)', *"
    rb"'fortran_order': *(True|False), *'shape': *\(([\d, ]*)\),? *\}\s*"
)


def read_header(
    file: IO[bytes], version: tuple[int, int]
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of an array, after the magic string.

    Parameters
    ----------
    file
        Positioned after the magic string and version.
    version
        A key of `LENGTH_BYTES`.

    Returns
    -------
    shape : tuple of int
    fortran_order : bool
    dtype : numpy.dtype

    Raises
    ------
    ValueError
        For anything that `numpy.save` does not write for an array without fields.
    """
    size = int.from_bytes(file.read(LENGTH_BYTES[version]), "little")
    if size > MAX_BYTES:
        raise ValueError(f"expected a header of at most {MAX_BYTES:,} bytes, got {size:,}")
    header = file.read(size)
    found = HEADER.fullmatch(header)
    if len(header) < size or not found:
        raise ValueError(f"expected the header of an array without fields, got {header[:80]!r}")
    dtype, fortran, shape = found.groups()
    sizes = tuple(int(n) for n in re.findall(rb"\d+", shape))
    return sizes, fortran == b"True", np.dtype(dtype.decode())


def read_array(
    file: IO[bytes],
    n_bytes: int,
    name: str,
    shape: Sequence[int] | None,
    dtypes: Sequence[str],
) -> np.ndarray:
    """Read an array, all of which is checked before memory is allocated for it.

    Parameters
    ----------
    file
        Positioned at its beginning.
    n_bytes
        The size that it claims to have.
    name
        The array's name, for errors.
    shape
        The shape it must have; None allows any.
    dtypes
        The dtypes it may have.

    Returns
    -------
    numpy.ndarray
        In native byte order.

    Raises
    ------
    WeightsError
        If the array is pickled, truncated, or of another shape or dtype.
    """
    version = np.lib.format.read_magic(file)
    if version not in LENGTH_BYTES:
        raise WeightsError(
            f"the array {name!r} is in version {version} of .npy, which holds no weights; {REMEDY}"
        )
    expected = f"the array {name!r}: expected {dtypes[len(dtypes) // 2]}"
    try:
        got_shape, fortran, got_dtype = read_header(file, version)
    except (TypeError, ValueError) as problem:
        raise WeightsError(f"{expected} ({problem}); {REMEDY}") from None
    if got_dtype.hasobject:
        raise WeightsError(
            f"the array {name!r} is pickled; such a file can run code and is not read"
        )
    if got_dtype.name not in dtypes:
        raise WeightsError(f"{expected}, got {got_dtype}; {REMEDY}")
    if shape is not None and got_shape != tuple(shape):
        raise WeightsError(f"the array {name!r}: expected shape {shape}, got {got_shape}; {REMEDY}")
    size = math.prod(got_shape) * got_dtype.itemsize
    if file.tell() + size != n_bytes:
        raise WeightsError(
            f"the array {name!r}: expected {size:,} bytes for shape {got_shape}, "
            f"got another number; {REMEDY}"
        )
    data = file.read(size)
    if len(data) != size or file.read(1):
        raise WeightsError(f"the array {name!r} is truncated; {REMEDY}")
    array = np.frombuffer(data, got_dtype).reshape(got_shape, order="F" if fortran else "C")
    return array.astype(got_dtype.newbyteorder("="), copy=False)
