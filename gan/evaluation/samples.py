"""Images to be judged: from arrays and files of any project, checked and brought into one form."""

import math
import os
import warnings
import zipfile

import numpy as np

from gan.errors import DataError
from nn.serialization.archive import MOST_PACKED, open_zip

SHAPES = "(N, 28, 28), (N, 1, 28, 28) or (N, 784)"
MOST_UNPACKED = 20  # bytes that a byte of a file becomes; of digits, it becomes ten
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}  # of .npy, by version


def as_images(images, at_least=1):
    """Images as uint8 in 0..255 or floats in [0, 1], background 0 and ink the largest -> float32 (N, 784) in [0, 1].

    Shapes: (N, 28, 28), (N, 1, 28, 28) or (N, 784). Errors: `DataError` for another shape or dtype, fewer images than
    `at_least`, NaN, and values outside [0, 1].
    """
    images = np.asarray(images)
    if images.shape[1:] not in ((28, 28), (1, 28, 28), (784,)):
        raise DataError(f"images: expected shape {SHAPES}, got {images.shape}; bring them to 28 x 28, one channel")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"images: expected uint8 in 0..255 or floats in [0, 1], got {images.dtype}; convert them")
    if len(images) < at_least:
        raise DataError(
            f"images: expected at least {at_least:,}, got {len(images):,}; of fewer the figures would tell the number rather "
            "than the quality"
        )
    images = images.reshape(len(images), 784)
    if images.dtype == np.uint8:
        if images.size and images.max() == 1:
            raise DataError("images: expected uint8 in 0..255, got none above 1; give those in [0, 1] as floats")
        return np.multiply(images, 1 / 255, dtype=np.float32)
    if not np.isfinite(images).all():
        bad = int(len(images) - np.isfinite(images).all(axis=1).sum())
        raise DataError(f"images: expected finite values, got NaN or infinity in {bad:,} of {len(images):,} images")
    low, high = (images.min(), images.max()) if images.size else (0, 0)
    if low < 0 or high > 1:
        raise DataError(
            f"images: expected floats in [0, 1], got {low:.6g} to {high:.6g}; scale them first: those in [-1, 1] by (x + 1) / 2, "
            "those in [0, 255] by x / 255"
        )
    return images.astype(np.float32)


def read_images(path, at_least=1):
    """The images of an .npz that holds one array, or one named `images`, or of an .npy -> float32 (N, 784) in [0, 1].

    Nothing in the file is executed: pickled arrays are refused. Errors: `DataError`, which names the file, for one that is
    missing, of another kind, damaged or pickled, and for what `as_images` refuses.
    """
    try:
        return as_images(_read(path), at_least)
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; expected an .npz of images") from None
    except IsADirectoryError:
        raise DataError(f"{path}: it is a folder; name the .npz of images in it") from None
    except zipfile.BadZipFile:
        raise DataError(
            f"{path}: expected an .npz or .npy, got something else or a damaged one; write it with numpy.savez"
        ) from None
    except MemoryError:
        raise
    except Exception as problem:  # whatever damage provokes in the readers of zip and .npy
        raise DataError(f"{path}: cannot be read ({getattr(problem, 'strerror', None) or problem})") from None


def _read(path):
    """The file's array of images."""
    with open(path, "rb") as file:
        is_npy = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
        if is_npy:
            return _array(file, os.fstat(file.fileno()).st_size)
    with open_zip(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        name = "images" if "images" in members else next(iter(members)) if len(members) == 1 else None
        if name is None:
            raise DataError(f"expected one array, or one named 'images', got {', '.join(list(members)[:5]) or 'none'}")
        packed, unpacked = os.path.getsize(path), members[name].file_size
        if unpacked > MOST_UNPACKED * packed + MOST_PACKED:
            raise DataError(f"it promises {unpacked:,} bytes of images in a file of {packed:,}; no images are so much alike")
        with archive.open(members[name]) as file:
            return _array(file, members[name].file_size)


def _array(file, n_bytes):
    """The array of an .npy stream of so many bytes, looked at before memory is taken for it."""
    file.seek(0)
    read_header = HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        raise DataError("expected an .npy of version 1 or 2; write it with numpy.savez")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy would read Python 2's headers, and complain
        shape, _, dtype = read_header(file)
    if dtype.hasobject:
        raise DataError("the array is pickled; such a file can run code and is not read; write it from a numeric array")
    if file.tell() + math.prod(shape) * dtype.itemsize != n_bytes:
        raise DataError(f"it is damaged: expected the bytes of {dtype} {shape}, got another number; write it anew")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
