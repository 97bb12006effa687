"""Images of the page as files: PNG and GIF, made as the commands make them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.images import grid, save_gif, save_picture

SMALLEST = 224  # pixels of a side of a single image, so that viewers show it well


def png(images: np.ndarray) -> bytes:
    """A PNG: a grid of uint8 images, (N, H, W) or (N, H, W, 3), or one image in large pixels."""
    return _content("png", images, enlarged(images[0]) if len(images) == 1 else None)


def gif(images: np.ndarray) -> bytes:
    """A looping GIF of uint8 images, in large pixels."""
    return _content("gif", images, None)


def enlarged(image: np.ndarray) -> np.ndarray:
    """An image with each pixel repeated, so that its shorter side is about SMALLEST."""
    k = max(1, round(SMALLEST / min(image.shape[:2])))
    return image.repeat(k, axis=0).repeat(k, axis=1)


def _content(suffix: str, images: np.ndarray, single: np.ndarray | None) -> bytes:
    """The bytes of a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"images.{suffix}")
        if suffix == "gif":
            save_gif(path, map(enlarged, images))
        else:
            save_picture(path, grid(images / 255) if single is None else single)
        return path.read_bytes()
