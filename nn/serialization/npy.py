"""The head of an .npy file, read without NumPy's readers: these mend what Python 2 wrote and warn of it, and a warning can be
turned into an error only for all threads of the process at once."""

import re

import numpy as np

LENGTH_BYTES = {(1, 0): 2, (2, 0): 4}  # by version, of the number that says how long the header is
MOST_BYTES = 10_000  # of a header, as NumPy has it
HEADER = re.compile(
    rb"\{ *'descr': *'([<>|=]?[A-Za-z]\d*(?:\[\w+\])?)', *'fortran_order': *(True|False), *'shape': *\(([\d, ]*)\),? *\}\s*"
)


def read_header(file, version):
    """(shape, whether in Fortran order, dtype) of one array, from behind the magic string on; `ValueError` for anything that
    `numpy.save` does not write of an array without fields."""
    size = int.from_bytes(file.read(LENGTH_BYTES[version]), "little")
    if size > MOST_BYTES:
        raise ValueError(f"expected a header of at most {MOST_BYTES:,} bytes, got {size:,}")
    header = file.read(size)
    found = HEADER.fullmatch(header)
    if len(header) < size or not found:
        raise ValueError(f"expected the header of an array without fields, got {header[:80]!r}")
    dtype, fortran, shape = found.groups()
    return tuple(int(n) for n in re.findall(rb"\d+", shape)), fortran == b"True", np.dtype(dtype.decode())
