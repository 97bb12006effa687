"""A picture of points."""

from __future__ import annotations

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

SIDE = 200  # pixels
REACH = 1  # pixels from the middle of a dot to its edge
MOST_BENEATH = 2000  # points of the data that are drawn
PAPER, BENEATH, DOT = (1.0, 1.0, 1.0), (0.75, 0.85, 0.84), (0.71, 0.33, 0.04)


def scatter(points: np.ndarray, beneath: np.ndarray | None = None) -> np.ndarray:
    """Draw points as dots.

    Parameters
    ----------
    points
        (N, 2) in [0, 1], or of N such pairs in any shape; x to the right, y up.
    beneath
        Other points that are drawn first, in a paler colour.

    Returns
    -------
    ndarray
        float32 (1, SIDE, SIDE, 3) in [0, 1]: one picture.
    """
    picture = np.empty((1, SIDE, SIDE, 3), np.float32)
    picture[:] = PAPER
    if beneath is not None:
        _dot(picture[0], beneath[:MOST_BENEATH], BENEATH)
    _dot(picture[0], points.reshape(-1, 2), DOT)
    return picture


def _dot(picture: np.ndarray, points: np.ndarray, colour: tuple[float, float, float]) -> None:
    """Draw a small square at each point."""
    x, y = np.rint(points.T * (SIDE - 1)).astype(int)
    for across in range(-REACH, REACH + 1):
        for down in range(-REACH, REACH + 1):
            row = np.clip(SIDE - 1 - y + down, 0, SIDE - 1)
            picture[row, np.clip(x + across, 0, SIDE - 1)] = colour
