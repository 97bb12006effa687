"""Reference vectors made with PyTorch by make_oracles.py; `load` reads them without it."""

from functools import cache
from pathlib import Path

import numpy as np


@cache
def load(name):
    """The arrays of one file by their names."""
    with np.load(Path(__file__).with_name(f"{name}.npz")) as arrays:
        return dict(arrays)
