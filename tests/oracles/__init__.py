"""Reference vectors from PyTorch. `load` reads them without it."""

from functools import cache
from pathlib import Path

import numpy as np


@cache
def load(name):
    """The arrays of NAME.npz, by name."""
    with np.load(Path(__file__).with_name(f"{name}.npz")) as arrays:
        return dict(arrays)
