"""Image sets from arrays, and from .npy and .npz files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gan.data.images.image_set import MIN_SIDE, ImageSet, blocks
from gan.data.images.npy_files import open_arrays
from gan.data.images.report import printable
from gan.errors import DataError

SUFFIXES = (".npy", ".npz")
AXES = "(N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W)"


def is_array_file(path: str | os.PathLike[str]) -> bool:
    """Whether `from_array` reads this path, and not `from_folder`."""
    return Path(path).suffix.lower() in SUFFIXES and not Path(path).is_dir()


def from_array(source: np.ndarray | str | os.PathLike[str], labels: Any = None) -> ImageSet:
    """Make an image set of an array, or of a .npy or .npz file.

    Parameters
    ----------
    source
        uint8 in 0..255 or floats in [0, 1], (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W). Or
        the path of a .npy of such an array, or of an .npz that holds it as `images`, with or
        without `labels`.
    labels
        An integer or string for each image, in place of those in the file. The different values,
        in ascending order, are the classes.

    Returns
    -------
    ImageSet
        It shares memory with an array of uint8 (N, H, W) or (N, 1 or 3, H, W).

    Raises
    ------
    DataError
        If the file cannot be read, the shape is another or is ambiguous, values are out of range
        or not finite, there is not a label for each image, or there is only one class.
    """
    if isinstance(source, np.ndarray):
        shape, channels_last = _layout(source.shape, source.dtype)
        if source.dtype == np.uint8 and not channels_last:
            images = source.reshape(shape)
            _check_range(max(int(block.max()) for block in blocks(images)))
        else:
            images = _converted(blocks(source), shape, channels_last)
        name = "array"
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        path = Path(source).expanduser()
        with open_arrays(path) as stored:
            array = stored["images"]
            shape, channels_last = _layout(array.shape, array.dtype)
            images = _converted(array.blocks(), shape, channels_last)
            if labels is None and "labels" in stored:
                labels = stored["labels"].whole()
    else:
        raise DataError(
            f"images: expected an array or the path of a .npy or .npz, got a "
            f"{type(source).__name__}; make one array of them: np.stack(images)"
        )
    n, channels, height, width = shape
    report = (
        f"{name}: {n:,} images of {width} x {height} in {'colour' if channels == 3 else 'grey'}"
    )
    if labels is None:
        return ImageSet(images, report=printable(report))
    try:
        numbers, names = _classes(labels, n)
    except DataError as problem:
        raise DataError(f"{name}: {problem}") from None
    return ImageSet(images, numbers, names, printable(f"{report}; {len(names)} classes"))


def _layout(shape: tuple[int, ...], dtype: np.dtype) -> tuple[tuple[int, int, int, int], bool]:
    """The shape (N, C, H, W) of images of a shape, and whether their channels are last."""
    if dtype.hasobject:
        raise DataError(
            "images: expected numbers, got Python objects; make one array of images of one size: "
            "np.stack(images)"
        )
    if dtype != np.uint8 and dtype.kind != "f":
        remedy = "255 * images.astype(np.uint8)" if dtype.kind == "b" else "images.astype(np.uint8)"
        raise DataError(
            f"images: expected uint8 in 0..255 or floats in [0, 1], got {dtype}; convert them, for "
            f"example by {remedy}"
        )
    first, last = (len(shape) == 4 and shape[axis] in (1, 3) for axis in (1, 3))
    if first and last:
        raise DataError(
            f"images: expected {AXES}, got the ambiguous shape {shape}: axis 1 or axis 3 may hold "
            "the channels; pass images of more than 3 pixels a side"
        )
    if len(shape) == 3:
        n, channels, height, width = shape[0], 1, *shape[1:]
    elif first:
        n, channels, height, width = shape
    elif last:
        n, height, width, channels = shape
    else:
        raise DataError(
            f"images: expected {AXES}, got shape {shape}; reshape them, for example by "
            "images.reshape(-1, 32, 32)"
        )
    if n < 1 or min(height, width) < MIN_SIDE:
        raise DataError(
            f"images: expected {AXES} with at least one image of at least {MIN_SIDE} x "
            f"{MIN_SIDE} pixels, got shape {shape}; check the order of the axes, and add one for "
            "the images: images[None]"
        )
    return (n, channels, height, width), last


def _converted(
    parts: Iterable[np.ndarray], shape: tuple[int, int, int, int], channels_last: bool
) -> np.ndarray:
    """The images of consecutive parts as uint8 (N, C, H, W)."""
    images = np.empty(shape, np.uint8)
    first, highest = 0, 0
    for part in parts:
        pixels = _to_uint8(part, first) if part.dtype.kind == "f" else part
        highest = max(highest, int(pixels.max()))
        out = images[first : first + len(part)]
        out[:] = pixels.transpose(0, 3, 1, 2) if channels_last else pixels.reshape(out.shape)
        if part.dtype.kind == "f":
            highest = 255
        first += len(part)
    _check_range(highest)
    images.flags.writeable = False  # so that a trainer need not copy them
    return images


def _to_uint8(part: np.ndarray, first: int) -> np.ndarray:
    """Floats in [0, 1] as uint8 in 0..255; `first` is the number of the first image."""
    low, high = part.min(), part.max()
    if 0 <= low and high <= 1:
        return np.rint(part * part.dtype.type(255)).astype(np.uint8)
    bad = ~np.isfinite(part)
    if bad.any():
        number = first + int(np.argwhere(bad)[0][0])
        raise DataError(
            f"images: expected finite values, got {part[bad][0]} in image {number}; remove the "
            "image, or replace the value"
        )
    remedy = "divide them by 255" if low >= 0 else "scale them, for example by (images + 1) / 2"
    raise DataError(f"images: expected floats in [0, 1], got {low:.4g} to {high:.4g}; {remedy}")


def _check_range(highest: int) -> None:
    """Raise `DataError` if uint8 images seem to be in 0..1."""
    if highest == 1:
        raise DataError(
            "images: expected uint8 in 0..255, got no value above 1; multiply them by 255"
        )


def _classes(labels: Any, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """int64 (N,) in 0..K-1, and the K different labels as text."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iuU":
        raise DataError(
            f"labels: expected an integer or string for each of {n:,} images, got {labels.dtype} "
            f"{labels.shape}; give one label for each image, in the same order"
        )
    values, numbers = np.unique(labels, return_inverse=True)
    if len(values) < 2:
        raise DataError(
            f"labels: expected at least two classes, got only {values[0]}; do without labels"
        )
    return numbers.astype(np.int64), tuple(printable(str(value)) for value in values)
