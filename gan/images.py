"""Pictures: grids of images, GIFs of them, and loss curves."""

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

from gan.data.image_shapes import COLOURS, POINTS, ImageShape
from gan.scatter import SIDE, scatter
from nn import ShapeError
from nn.serialization.files import atomic_write

GAP = 2  # pixels between two images
SCALE = 2  # screen pixels per image pixel
FRAME_MS, LAST_FRAME_MS = 120, 2000


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Arrange images in a grid.

    Parameters
    ----------
    images
        Floats in [0, 1], (N, H, W), (N, 1 or 3, H, W), (N, H, W, 3), or flat square ones in grey.
    columns
        Images per row. None makes the grid about square.

    Returns
    -------
    ndarray
        uint8 (H, W), or (H, W, 3) for images in colour.

    Raises
    ------
    ShapeError
        If the images have another shape.
    """
    images = _as_pictures(np.asarray(images))
    height, width = images.shape[1:3]
    columns = columns or math.ceil(len(images) ** 0.5)
    rows = math.ceil(len(images) / columns)
    size = rows * (height + GAP) + GAP, columns * (width + GAP) + GAP
    canvas = np.zeros((*size, *images.shape[3:]), np.uint8)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + GAP) + GAP, (k % columns) * (width + GAP) + GAP
        canvas[top : top + height, left : left + width] = np.rint(255 * np.clip(image, 0, 1))
    return canvas.repeat(SCALE, 0).repeat(SCALE, 1)


def as_pictures(images: np.ndarray, image_shape: ImageShape) -> np.ndarray:
    """Generated images (N, ...) as pictures are stored: (N, H, W) in grey, (N, H, W, 3) in colour.

    Points become one picture of them all.

    Parameters
    ----------
    images
        As a generator makes them, flat or not.
    image_shape
        (C, H, W).
    """
    if image_shape == POINTS:
        return scatter(images)
    images = images.reshape(-1, *image_shape)
    return (
        images[:, 0] if image_shape[0] == 1 else np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    )


def pictures_shape(n: int, image_shape: ImageShape) -> tuple[int, ...]:
    """The shape of what `as_pictures` makes of n images."""
    if image_shape == POINTS:
        return (1, SIDE, SIDE, COLOURS)
    channels, height, width = image_shape
    return (n, height, width, COLOURS) if channels == COLOURS else (n, height, width)


def _as_pictures(images: np.ndarray) -> np.ndarray:
    """Images of any accepted shape as (N, H, W) or (N, H, W, 3)."""
    if images.ndim == 2:
        side = math.isqrt(images.shape[1])
        if side**2 == images.shape[1] > 0:
            return images.reshape(-1, side, side)
    elif images.ndim == 3 and images.size:
        return images
    elif images.ndim == 4 and images.shape[1] in (1, COLOURS):
        return as_pictures(images, images.shape[1:])
    elif images.ndim == 4 and images.shape[3] == COLOURS:
        return images
    raise ShapeError(
        f"grid: expected images (N, H, W), (N, 1 or 3, H, W) or (N, H, W, 3), got shape "
        f"{images.shape}; reshape them"
    )


def save_picture(path: str | PathLike[str], picture: np.ndarray) -> None:
    """Write a uint8 (H, W) or (H, W, 3) array as a PNG."""
    with atomic_write(path) as file:
        # level 3 takes 4 ms for 64 digits; level 6 takes 11 ms to save a tenth
        Image.fromarray(picture).save(file, "PNG", compress_level=3)


def save_gif(path: str | PathLike[str], frames: Iterable[np.ndarray]) -> None:
    """Write uint8 (H, W) or (H, W, 3) arrays as a GIF that loops and pauses on its last frame."""
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
