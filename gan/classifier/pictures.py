"""Reading pictures of single digits from image files of any size."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps

from gan.classifier.mnist_style import SIDE, bounding_box, ink_of, like_mnist
from gan.data.images.pillow_warnings import no_warnings
from gan.errors import DataError

# Not all that Pillow reads: an EPS file is a program, which Pillow has Ghostscript run
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MAX_PIXELS = 30_000_000  # more than most cameras take, few enough for a second and 200 MB
ENOUGH = 1_000  # pixels a side to find a digit in, and for the digit itself: more are reduced


def read_digits(paths: Iterable[str | os.PathLike[str]]) -> np.ndarray:
    """Read image files with one digit each: uint8 (N, 1, 28, 28). Raises as `read_digit`."""
    return np.array([read_digit(path) for path in paths], np.uint8).reshape(-1, 1, SIDE, SIDE)


def read_digit(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file with one digit, dark on light or light on dark.

    Parameters
    ----------
    path
        A file of one of FORMATS. Of several frames the first is read; transparent pixels are white.

    Returns
    -------
    ndarray
        uint8 (28, 28), 0 background to 255 ink.

    Raises
    ------
    DataError
        If the file is missing, no image, damaged, larger than MAX_PIXELS, or blank; the message
        names the file.
    """
    try:
        return like_mnist(_read_grey(path))
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def _read_grey(path: str | os.PathLike[str]) -> np.ndarray:
    """The file's first picture in grey: (H, W) in 0..255."""
    try:
        with no_warnings(), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(f"{image.width:,} x {image.height:,}")
            return _to_grey(ImageOps.exif_transpose(image))
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError("expected an image file, got no such file; check the path") from None
    except IsADirectoryError:
        raise DataError("expected an image file, got a folder; name the files in it") from None
    except Image.DecompressionBombError:  # Pillow's own limit, before the size is known
        raise _too_large("far more") from None
    except Image.UnidentifiedImageError:
        raise DataError(
            f"expected an image file ({', '.join(FORMATS)}), got something else; convert it to PNG"
        ) from None
    except Exception as problem:  # whatever a damaged file raises in the readers of many formats
        reason = getattr(problem, "strerror", None) or problem
        raise DataError(f"cannot be read ({reason}); save the picture again") from None


def _to_grey(image: Image.Image) -> np.ndarray:
    """The part of a picture with the digit, in grey and not much larger than needed."""
    if image.mode.startswith(("I", "F")):  # 16 bits and more, which Pillow would clip at 255
        grey = np.asarray(image, np.float32)
        return grey * (255 / max(1.0, float(np.abs(grey).max())))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image if "A" in image.getbands() else image.convert("RGBA")
        paper = Image.new("L", image.size, 255)
        paper.paste(image.convert("L"), mask=image.getchannel("A"))
        image = paper
    image = _cropped(image.convert("L"))
    return np.asarray(image.reduce(max(1, max(image.size) // ENOUGH)))


def _cropped(image: Image.Image) -> Image.Image:
    """The part of a grey picture with the digit, found in a reduced copy."""
    step = max(1, math.isqrt(image.width * image.height) // ENOUGH)
    rows, columns = bounding_box(ink_of(np.asarray(image.reduce(step), np.float32)))
    left, top = max(0, columns.start - 1) * step, max(0, rows.start - 1) * step
    right = min(image.width, (columns.stop + 1) * step)
    bottom = min(image.height, (rows.stop + 1) * step)
    return image.crop((left, top, right, bottom))


def _too_large(size: str) -> DataError:
    return DataError(
        f"expected a picture of at most {MAX_PIXELS:,} pixels, got {size}; scale it down first"
    )
