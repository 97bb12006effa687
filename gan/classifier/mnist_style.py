"""Turning a grey picture of a digit into an image like MNIST's.

The steps are those by which MNIST was made: the digit is cropped, scaled to fit 20 x 20 pixels
with its proportions kept, and placed in 28 x 28 with its centre of mass at pixel (14, 14).
Source: LeCun, Cortes & Burges 1998.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan.errors import DataError

SIDE, BOX, CENTRE = 28, 20, 14  # pixels
MIN_CONTRAST = 16  # of 255, between ink and paper: with less, a picture is blank
GRAIN = 0.2  # times the strongest ink: anything weaker is the paper's grain, or a shadow
SPECK = 0.05  # times the ink of the largest part: a separate part with less is dirt
EDGE = 0.01  # times a side: a separate part at the border that is no wider is the scanner's edge


def like_mnist(grey: np.ndarray) -> np.ndarray:
    """Turn a picture into an image like MNIST's.

    Specks and a scanner's edge, separate from the digit, do not count as parts of it.

    Parameters
    ----------
    grey
        (H, W), of any real dtype and range.

    Returns
    -------
    ndarray
        uint8 (28, 28), 0 background to 255 ink.

    Raises
    ------
    DataError
        If the picture is blank.
    """
    ink = ink_of(np.asarray(grey, np.float32))
    ink = ink[bounding_box(ink)]
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(size * scale)) for size in ink.shape)
    # A box filter: each pixel is the mean of what falls into it
    small = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX))
    small = small * (255 / small.max())  # a thin line is as black as a thick one
    top, left = (_offset(small, axis) for axis in (0, 1))
    digit = np.zeros((SIDE, SIDE), np.uint8)
    digit[top : top + height, left : left + width] = np.rint(small)
    return digit


def ink_of(grey: np.ndarray) -> np.ndarray:
    """How much each pixel differs from the paper: (H, W), 0 to 1.

    The paper is the median of the border. Ink is darker or lighter, whichever differs more.
    Raises `DataError` if neither does.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = np.median(border)
    darker, lighter = paper - grey.min(), grey.max() - paper
    contrast = max(darker, lighter)
    if not contrast >= MIN_CONTRAST:
        raise DataError(
            "expected a digit darker or lighter than its background, got a blank picture; use "
            "one with more contrast"
        )
    ink = (paper - grey if darker >= lighter else grey - paper) / contrast
    ink[ink < GRAIN] = 0
    return ink


def bounding_box(ink: np.ndarray) -> tuple[slice, slice]:
    """The rows and the columns of the digit in `ink`, without dirt around it."""
    rows, columns = slice(None), slice(None)
    for _ in range(2):  # a speck beside the digit hides one below it from the first pass
        rows = _extent(ink[:, columns].sum(axis=1, dtype=np.float64))
        columns = _extent(ink[rows].sum(axis=0, dtype=np.float64))
    return rows, columns


def _extent(mass: np.ndarray) -> slice:
    """Where the ink is, given its mass in each row or column, without dirt before and after."""
    starts, ends = np.flatnonzero(np.diff(mass > 0, prepend=False, append=False)).reshape(-1, 2).T
    runs = np.add.reduceat(mass, starts)  # nothing lies between them
    at_border = (starts == 0) | (ends == len(mass))
    runs[at_border & (ends - starts <= max(1, EDGE * len(mass)))] = 0
    kept = runs >= SPECK * runs.max()
    return slice(starts[kept][0], ends[kept][-1])


def _offset(small: np.ndarray, axis: int) -> int:
    """The first row or column that puts the centre of mass at CENTRE, the digit staying inside."""
    mass = small.sum(axis=1 - axis, dtype=np.float64)
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(np.rint(CENTRE - centre), 0, SIDE - len(mass)))
