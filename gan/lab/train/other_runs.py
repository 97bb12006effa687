"""Runs in the folder of runs, whoever trains them: their history and their latest picture."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from pathlib import Path
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.errors import RunError

MAX_BYTES = 8_000_000  # of a file that is read for the page
MAX_ROWS = 5_000
PICTURE, HISTORY, CONFIG = "samples/latest.png", "history.csv", "config.json"
PNG = b"\x89PNG\r\n\x1a\n"
SHOWN = ("recipe", "dataset", "batch_size", "learning_rate", "seed", "images", "steps", "epochs")


def bounded(path: Path) -> bytes:
    """The content of a file; empty if there is none, `RunError` if it is too large."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return b""
    if len(content) > MAX_BYTES:
        raise RunError(
            f"{path.name}: expected a file of at most {MAX_BYTES:,} bytes, got more; no run of "
            "this package writes such a file"
        )
    return content


def seconds_since_written(folder: Path) -> float | None:
    """The seconds since a run has last written its picture or its history."""
    times = []
    for name in (PICTURE, HISTORY):
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            pass
    return max(0.0, time.time() - max(times)) if times else None


def config_of(folder: Path) -> dict[str, Any]:
    """The settings of a run that the page shows, as far as config.json can be read."""
    try:
        config = json.loads(bounded(folder / CONFIG))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(config, dict):
        return {}
    return {
        name: config[name]
        for name in SHOWN
        if isinstance(config.get(name), str | int | float) and len(str(config[name])) < 200
    }


def history_of(folder: Path) -> dict[str, np.ndarray]:
    """The columns of history.csv, float32; a cell that is no number is NaN."""
    text = bounded(folder / HISTORY).decode("utf-8", "replace")
    try:
        rows = list(csv.DictReader(io.StringIO(text)))[-MAX_ROWS:]
    except csv.Error:
        return {}
    if not rows or "step" not in rows[0]:
        return {}
    names = [name for name in rows[0] if name]
    return {name: np.array([_number(row.get(name)) for row in rows], np.float32) for name in names}


def picture_of(folder: Path) -> np.ndarray:
    """The bytes of the latest picture, uint8; empty without one."""
    content = bounded(folder / PICTURE)
    return np.frombuffer(content if content.startswith(PNG) else b"", np.uint8)


def _number(text: Any) -> float:
    """A cell as a number, NaN if it is none or is not finite."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return math.nan
    return value if abs(value) < 1e30 else math.nan
