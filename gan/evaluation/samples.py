"""Images to evaluate, from arrays and files of any project, checked and converted to one form."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.typing import ArrayLike

from gan.data.image_shapes import ImageShape, in_words
from gan.errors import DataError
from nn.serialization.archive import MAX_EXPANSION
from nn.serialization.bounded_zip import open_zip
from nn.serialization.npy import LENGTH_BYTES, read_header

SHAPES = "(N, 28, 28), (N, 1, 28, 28) or (N, 784)"
MAX_UNPACKED = 20  # bytes that a byte of a file may unpack to; for digits it is about ten


def as_images(images: ArrayLike, at_least: int = 1) -> np.ndarray:
    """Check images and convert them to one form.

    Parameters
    ----------
    images
        uint8 in 0..255 or floats in [0, 1], background 0 and ink high; (N, 28, 28),
        (N, 1, 28, 28) or (N, 784).
    at_least
        How many images there must be.

    Returns
    -------
    ndarray
        float32 (N, 784) in [0, 1].

    Raises
    ------
    DataError
        For another shape or dtype, too few images, NaN, and values outside the range.
    """
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (1, 28, 28), (784,)):
        raise DataError(
            f"images: expected shape {SHAPES}, got {images.shape}; resize them to 28 x 28, one "
            "channel"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(
            f"images: expected uint8 in 0..255 or floats in [0, 1], got {images.dtype}; convert "
            "them"
        )
    if len(images) < at_least:
        raise DataError(
            f"images: expected at least {at_least:,}, got {len(images):,}; with fewer, the "
            "metrics would depend on their number more than on their quality"
        )
    images = images.reshape(len(images), 784)
    if images.dtype == np.uint8:
        if images.size and images.max() == 1:
            raise DataError(
                "images: expected uint8 in 0..255, got none above 1; convert images in [0, 1] to "
                "floats"
            )
        return np.multiply(images, 1 / 255, dtype=np.float32)
    if not np.isfinite(images).all():
        bad = int(len(images) - np.isfinite(images).all(axis=1).sum())
        raise DataError(
            f"images: expected finite values, got NaN or infinity in {bad:,} of {len(images):,} "
            "images; leave these out"
        )
    low, high = (images.min(), images.max()) if images.size else (0, 0)
    if low < 0 or high > 1:
        raise DataError(
            f"images: expected floats in [0, 1], got {low:.6g} to {high:.6g}; scale them first: "
            "from [-1, 1] by (x + 1) / 2, from [0, 255] by x / 255"
        )
    return images.astype(np.float32)


def as_pixels(images: np.ndarray, image_shape: ImageShape) -> np.ndarray:
    """Images as the classifier takes them: uint8 (N, C, H, W).

    Parameters
    ----------
    images
        uint8 in 0..255 or floats in [0, 1]: (N, C, H, W), (N, H, W) in grey or (N, H, W, 3).
    image_shape
        (C, H, W).

    Raises
    ------
    DataError
        If they have another shape or type, or floats are outside [0, 1].
    """
    channels, height, width = image_shape
    images = np.asarray(images)
    shape = images.shape[1:]
    if channels > 1 and shape == (height, width, channels):
        images = images.transpose(0, 3, 1, 2)
    elif channels == 1 and shape == (height, width):
        images = images[:, None]
    elif shape != image_shape:
        raise DataError(
            f"images: expected {in_words(image_shape)}, as the data has them, got shape "
            f"{images.shape}; scale them to it"
        )
    if not len(images):
        raise DataError("images: expected at least one image, got none; give some")
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f" or not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"images: expected uint8 in 0..255 or floats in [0, 1], got {images.dtype} of "
            f"{images.min():.6g} to {images.max():.6g}; convert them"
        )
    return np.rint(255 * images).astype(np.uint8)


def read_images(path: str | os.PathLike[str], at_least: int = 1) -> np.ndarray:
    """Read images of 28 x 28 from a file. Nothing in it is executed: pickled arrays are refused.

    Parameters
    ----------
    path
        An .npy, or an .npz with one array or one named `images`.
    at_least
        How many images there must be.

    Returns
    -------
    ndarray
        float32 (N, 784) in [0, 1].

    Raises
    ------
    DataError
        For a file that is missing, of another kind, damaged or pickled, and for images that
        `as_images` refuses; the message names the file.
    """
    return _read_as(path, lambda images: as_images(images, at_least))


def read_pixels(path: str | os.PathLike[str], image_shape: ImageShape) -> np.ndarray:
    """Read images of a shape (C, H, W) from such a file, as uint8 (N, C, H, W).

    Raises
    ------
    DataError
        As `read_images` does, and for images that `as_pixels` refuses.
    """
    return _read_as(path, lambda images: as_pixels(images, image_shape))


def _read_as(
    path: str | os.PathLike[str], convert: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The array of images in a file, converted; errors name the file."""
    try:
        return convert(_read(path))
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None
    except FileNotFoundError:
        raise DataError(
            f"{path}: expected an .npz of images, got no such file; check the path"
        ) from None
    except IsADirectoryError:
        raise DataError(
            f"{path}: expected an .npz of images, got a folder; name the file in it"
        ) from None
    except zipfile.BadZipFile:
        raise DataError(
            f"{path}: expected an .npz or .npy, got another or a damaged file; write it with "
            "numpy.savez"
        ) from None
    except MemoryError:
        raise
    except Exception as problem:  # whatever a damaged file raises in the readers of zip and .npy
        raise DataError(
            f"{path}: cannot be read ({getattr(problem, 'strerror', None) or problem}); "
            "write it with numpy.savez"
        ) from None


def _read(path: str | os.PathLike[str]) -> np.ndarray:
    """The array of images in a file."""
    with open(path, "rb") as file:
        is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
        if is_npy:
            return _array(file, os.fstat(file.fileno()).st_size)
    with open_zip(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        name = (
            "images" if "images" in members else next(iter(members)) if len(members) == 1 else None
        )
        if name is None:
            raise DataError(
                "expected one array, or one named 'images', got "
                f"{', '.join(list(members)[:5]) or 'none'}; write it with numpy.savez(path, "
                "images=images)"
            )
        packed, unpacked = os.path.getsize(path), members[name].file_size
        if unpacked > MAX_UNPACKED * packed + MAX_EXPANSION:
            raise DataError(
                f"expected images, got a file of {packed:,} bytes that claims {unpacked:,} "
                "unpacked; write it with numpy.savez"
            )
        with archive.open(members[name]) as file:
            return _array(file, members[name].file_size)


def _array(file: IO[bytes], n_bytes: int) -> np.ndarray:
    """The array in an .npy stream of that length, checked before memory is allocated for it."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in LENGTH_BYTES:
        raise DataError(
            "expected an .npy of version 1 or 2, got another; write it with numpy.savez"
        )
    shape, _, dtype = read_header(file, version)
    if dtype.hasobject:
        raise DataError(
            "expected a numeric array, got a pickled one, which could run code; convert it to "
            "numbers"
        )
    if file.tell() + math.prod(shape) * dtype.itemsize != n_bytes:
        raise DataError(
            f"expected the bytes of {dtype} {shape}, got more or fewer: damaged; write it again"
        )
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
