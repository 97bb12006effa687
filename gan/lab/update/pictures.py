"""Arrays as pictures: a picture is a matrix of places in the array, so each pixel is an entry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

MOST_SIDE = 256  # pixels of a picture's side, of which each is one entry
MOST_TILES = 64  # images or channels in a picture
KERNELS = 32  # of a convolution, and channels of each
GAP = -1  # a pixel between two tiles


@dataclass(frozen=True)
class Picture:
    """A picture of an array.

    Parameters
    ----------
    places
        Integers (height, width): the index in the flat array of the entry that each pixel shows, or
        GAP.
    kind
        "images", "channels", "filters" or "matrix".
    shown
        What of the array it shows, in words.
    """

    places: np.ndarray
    kind: str
    shown: str

    def values(self, array: np.ndarray) -> np.ndarray:
        """float32 (height, width): the entries of this array; NaN in gaps."""
        flat = array.reshape(-1)
        return np.where(self.places == GAP, np.nan, flat[self.places]).astype(np.float32)


def picture(
    array: np.ndarray, image_shape: tuple[int, ...], sample: int, is_weight: bool
) -> Picture:
    """The picture of an array.

    Rows that are as long as an image are shown as images. So are the columns of the weights that
    images go into.

    Parameters
    ----------
    array
        Of any shape.
    image_shape
        (C, H, W) of the networks' images.
    sample
        Which sample of (N, C, H, W), if its channels are shown.
    is_weight
        Whether it is laid out as W or dW of a layer, which has no axis of samples.
    """
    at: np.ndarray = np.arange(array.size).reshape(array.shape)
    are_images = len(image_shape) == 3 and min(image_shape[1:]) > 1
    pixels = math.prod(image_shape) if are_images else 0
    if at.ndim == 4 and is_weight:
        return _filters(at)
    if at.ndim == 4:
        return _channels_or_images(at, image_shape, sample)
    if at.ndim == 2 and pixels and at.shape[1] == pixels:
        what = "row" if is_weight else "sample"
        return _images(at.reshape(len(at), *image_shape), f"each {what} as an image")
    if at.ndim == 2 and pixels and at.shape[0] == pixels and is_weight:
        return _images(at.T.reshape(-1, *image_shape), "each column as an image")
    if at.ndim == 1 and pixels and at.size == pixels:
        return _images(at.reshape(1, *image_shape), "as an image")
    rows = at.reshape(len(at), -1) if at.ndim > 1 else at.reshape(1, -1)
    return _matrix(rows.T if rows.shape[1] == 1 else rows, array)


def _images(at: np.ndarray, what: str) -> Picture:
    """Images (N, C, H, W) in rows; with several colours, each as a tile."""
    n, c = at.shape[:2]
    shown = min(n, max(1, MOST_TILES // c))
    part = "" if shown == n else f"; the first {shown} of {n:,}"
    colours = f"; the {c} colours of an image side by side" if c > 1 else ""
    tiles = at[:shown].reshape(shown * c, *at.shape[2:])
    return Picture(_tiled(tiles, c), "images", what + colours + part)


def _channels_or_images(at: np.ndarray, image_shape: tuple[int, ...], sample: int) -> Picture:
    if at.shape[1:] == image_shape:
        return _images(at, "each sample")
    n, c = at.shape[:2]
    shown = min(c, MOST_TILES)
    part = f"{c} channels" if shown == c else f"the first {shown} of {c} channels"
    sample = min(sample, n - 1)
    return Picture(_tiled(at[sample, :shown], 1), "channels", f"sample {sample} of {n}: {part}")


def _filters(at: np.ndarray) -> Picture:
    """Kernels (outer, kh, kw, inner): a row of tiles for each of `outer`."""
    outer, _, _, inner = at.shape
    rows, columns = min(outer, KERNELS), min(inner, KERNELS)
    tiles = at[:rows, :, :, :columns].transpose(0, 3, 1, 2)
    part = "" if (rows, columns) == (outer, inner) else f"; {rows} x {columns} of {outer} x {inner}"
    if columns == 1:
        return Picture(_tiled(tiles[:, 0], 1), "filters", f"a tile for each filter{part}")
    tiles = tiles.reshape(rows * columns, *tiles.shape[2:])
    words = f"a tile for each pair of channels: first axis down, last axis across{part}"
    return Picture(_tiled(tiles, columns, exact=True), "filters", words)


def _matrix(at: np.ndarray, array: np.ndarray) -> Picture:
    """A matrix; of large ones, the entry with the largest magnitude of each block."""
    flat = np.nan_to_num(np.abs(array.reshape(-1)), nan=np.inf)
    height, width = at.shape
    at = _reduced(_reduced(at, flat).T, flat).T
    if at.shape == (height, width):
        return Picture(at, "matrix", "rows down, columns across" if height > 1 else "in a row")
    block = "of each block" if height > 1 else f"of every {width // at.shape[1]} or so"
    words = f"{height:,} x {width:,}: {block}, the entry with the largest magnitude"
    return Picture(at, "matrix", words)


def _reduced(at: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """At most MOST_SIDE columns: of the entries that fall into one, the largest in magnitude."""
    width = at.shape[1]
    if width <= MOST_SIDE:
        return at
    edges = np.linspace(0, width, MOST_SIDE + 1).astype(int)
    columns = []
    for a, b in zip(edges, edges[1:]):
        block = at[:, a:b]
        largest = magnitude[block].argmax(axis=1)
        columns.append(block[np.arange(len(block)), largest])
    return np.stack(columns, axis=1)


def _tiled(tiles: np.ndarray, multiple: int, exact: bool = False) -> np.ndarray:
    """Tiles (n, h, w) in about a square, with gaps; rows hold a multiple of `multiple`."""
    n, h, w = tiles.shape
    columns = multiple if exact else multiple * max(1, math.ceil(math.sqrt(n / multiple**2)))
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    out = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1), GAP, np.int64)
    for k, tile in enumerate(tiles):
        y, x = k // columns * (h + 1), k % columns * (w + 1)
        out[y : y + h, x : x + w] = tile
    return out


def histogram(array: np.ndarray, bins: int) -> tuple[np.ndarray, float, float]:
    """How many of the finite entries lie in each of equal bins, and where these begin and end."""
    values = array[np.isfinite(array)].astype(np.float64)
    if not values.size:
        return np.zeros(bins, np.float32), 0.0, 0.0
    low, high = float(values.min()), float(values.max())
    counts, edges = np.histogram(values, bins, range=(low, high) if high > low else None)
    return counts.astype(np.float32), float(edges[0]), float(edges[-1])


def figures(array: np.ndarray) -> dict[str, float | int]:
    """Mean, standard deviation, extremes, norm, and the shares of zeros, of the finite entries."""
    values = array[np.isfinite(array)].astype(np.float64)
    found: dict[str, float | int] = {"size": array.size, "not_finite": array.size - values.size}
    if values.size:
        parts: dict[str, Callable[[np.ndarray], np.floating]] = {
            "mean": np.mean,
            "std": np.std,
            "min": np.min,
            "max": np.max,
            "norm": np.linalg.norm,
        }
        found |= {name: float(part(values)) for name, part in parts.items()}
        found["zeros"] = float((values == 0).mean())
    return found
