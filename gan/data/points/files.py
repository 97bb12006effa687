"""Points from .csv and .npy files, read within bounds."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from gan.data.images.npy_files import open_arrays
from gan.data.points.point_set import MOST_POINTS, PointSet
from gan.errors import DataError

CSV, NPY = ".csv", ".npy"
MOST_BYTES = 100_000_000  # of a .csv


def is_point_file(path: str | os.PathLike[str]) -> bool:
    """Whether `read_points` reads this path: a .csv, or a .npy of two columns."""
    path = Path(path).expanduser()
    if path.suffix.lower() == CSV:
        return not path.is_dir()
    if path.suffix.lower() != NPY or not path.is_file():
        return False
    try:
        with open_arrays(path) as stored:
            shape = stored["images"].shape
    except DataError:  # `from_array` says what is wrong
        return False
    return len(shape) == 2 and shape[1] == 2


def read_points(path: str | os.PathLike[str]) -> PointSet:
    """Read points from a file.

    Parameters
    ----------
    path
        A .npy of numbers (N, 2), or a .csv of two columns, x and y, whose first line may be a
        heading.

    Raises
    ------
    DataError
        If the file cannot be read, or holds anything else.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() == NPY:
        with open_arrays(path) as stored:
            if len(shape := stored["images"].shape) != 2 or shape[0] > MOST_POINTS:
                raise DataError(
                    f"expected at most {MOST_POINTS:,} points (N, 2), got shape {shape}; take a "
                    "part of them"
                )
            return PointSet(stored["images"].whole(), path.name)
    return PointSet(_rows(path), path.name)


def _rows(path: Path) -> np.ndarray:
    """The numbers of a .csv, (N, 2)."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(
                f"{path}: expected a file of at most {MOST_BYTES:,} bytes, got more; save the "
                "points as a .npy"
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise DataError(
            f"{path}: expected a .csv of points, got none that can be read ({reason}); check the "
            "path and its permissions"
        ) from None
    rows: list[tuple[float, float]] = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            try:
                x, y = map(float, cells)
            except ValueError:
                if number == 1:  # a heading
                    continue
                raise DataError(
                    f"{path}: expected two numbers in line {number}, x and y, got "
                    f"{','.join(cells)!r:.80}; remove the line, or mend it"
                ) from None
            rows.append((x, y))
    except csv.Error as problem:
        raise DataError(
            f"{path}: expected two numbers in each line, got another format ({problem}); save it "
            "again"
        ) from None
    return np.array(rows, np.float64).reshape(-1, 2)
