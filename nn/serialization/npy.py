"""The header of an .npy file, parsed strictly.

NumPy's own readers repair what Python 2 wrote, and warn. A warning can be turned into an error only
for all threads of the process at once, so the header is read here.
"""

from __future__ import annotations

import re
from typing import IO

import numpy as np

LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # by version: size of the number that tells the length
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
