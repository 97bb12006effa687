"""Pictures: grids of digits, GIFs of them, and loss curves."""

from __future__ import annotations

import gc
import io
import math
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np
from PIL import Image

from nn import ShapeError
from nn.serialization.files import atomic_write

GAP = 2  # pixels between two digits
SCALE = 2  # screen pixels per image pixel
FRAME_MS, LAST_FRAME_MS = 120, 2000


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Arrange images in a grid.

    Parameters
    ----------
    images
        Floats in [0, 1], (N, 28, 28), (N, 1, 28, 28) or (N, 784).
    columns
        Images per row. None makes the grid about square.

    Returns
    -------
    ndarray
        uint8 (H, W).

    Raises
    ------
    ShapeError
        If the images are not 28 x 28.
    """
    images = np.asarray(images)
    if images.ndim < 2 or images[0].size != 784:
        raise ShapeError(f"grid: expected images of 28 x 28, got shape {images.shape}")
    images = images.reshape(-1, 28, 28)
    columns = columns or math.ceil(len(images) ** 0.5)
    rows = math.ceil(len(images) / columns)
    cell = 28 + GAP
    canvas = np.zeros((rows * cell + GAP, columns * cell + GAP), np.uint8)
    for k, image in enumerate(images):
        top, left = (k // columns) * cell + GAP, (k % columns) * cell + GAP
        canvas[top : top + 28, left : left + 28] = np.rint(255 * np.clip(image, 0, 1))
    return canvas.repeat(SCALE, 0).repeat(SCALE, 1)


def save_picture(path: str | PathLike[str], picture: np.ndarray) -> None:
    """Write a uint8 (H, W) or (H, W, 3) array as a PNG."""
    with atomic_write(path) as file:
        # level 3 takes 4 ms for 64 digits; level 6 takes 11 ms to save a tenth
        Image.fromarray(picture).save(file, "PNG", compress_level=3)


def save_gif(path: str | PathLike[str], frames: Iterable[np.ndarray]) -> None:
    """Write uint8 (H, W) arrays as a GIF that loops and pauses on its last frame."""
    first, *others = [Image.fromarray(frame) for frame in frames]
    durations = [FRAME_MS] * len(others) + [LAST_FRAME_MS]
    with atomic_write(path) as file:
        first.save(file, "GIF", save_all=True, append_images=others, duration=durations, loop=0)


def save_curves(path: str | PathLike[str], history: Sequence[dict[str, Any]]) -> None:
    """Plot the losses, D's mean outputs and any FID over the steps, as a PNG.

    Parameters
    ----------
    path
        The PNG.
    history
        Records as `Trainer.fit` returns them.
    """
    png = _draw_curves(history)
    # Figures contain reference cycles: about twenty, 35 MiB, pile up until Python collects them.
    gc.collect()
    with atomic_write(path) as file:
        file.write(png)


def _draw_curves(history: Sequence[dict[str, Any]]) -> bytes:
    """The curves as a PNG."""
    # Importing Matplotlib takes half a second, which would delay the first digits.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    marker = "o" if len(history) < 20 else None
    panels = [
        ("loss", {"d_loss_real": "D on real", "d_loss_fake": "D on generated", "g_loss": "G"}),
        ("D's mean output (a probability)", {"d_real": "on real", "d_fake": "on generated"}),
    ]
    if any(record.get("fid") for record in history):
        panels.append(("FID", {"fid": "of the generated images"}))
    figure = Figure(figsize=(4.5 * len(panels), 4), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(panels)), panels):
        for column, label in columns.items():
            points = [(r["step"], r[column]) for r in history if r[column] is not None]
            axes.plot(*zip(*points), label=label, marker=marker)
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")  # loc="best" is slow, and warns of it
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png)
    return png.getvalue()
