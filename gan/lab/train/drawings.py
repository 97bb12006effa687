"""Points that a page drew, kept as files beside the runs."""

from __future__ import annotations

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError
from gan.lab.listing import DRAWN, MOST_DRAWN, Listing
from nn.serialization.files import atomic_write


def keep_drawing(listing: Listing, points: np.ndarray) -> str:
    """Write points (N, 2) to a new .csv; returns the name by which it is listed.

    Raises
    ------
    RunError
        If it cannot be written, or there are MOST_DRAWN already.
    """
    folder = listing.drawn
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = {path.name for path in folder.iterdir()}
        free = (f"points-{k}.csv" for k in range(1, MOST_DRAWN + 1))
        name = next((name for name in free if name not in taken), None)
        if name is None:
            raise RunError(
                f"drawing: expected fewer than {MOST_DRAWN} of them, got as many; remove some "
                f"from {folder}"
            )
        rows = "".join(f"{x:.6g},{y:.6g}\n" for x, y in points.tolist())
        with atomic_write(folder / name) as file:
            file.write(f"x,y\n{rows}".encode())
    except OSError as problem:
        raise RunError(
            f"drawing: expected a folder that can be written ({problem.strerror}); start the lab "
            "with another --runs"
        ) from None
    return f"{DRAWN}/{name}"
