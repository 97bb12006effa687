"""Pictures of single digits, from files of the usual kinds and any size, made to look like MNIST's.

The steps are those by which MNIST itself was made: the digit is cut out, scaled to fit 20 x 20 pixels with its proportions
kept, and placed into 28 x 28 with its centre of mass at pixel (14, 14). Source: LeCun, Cortes & Burges 1998.
"""

import math
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gan.errors import DataError

SIDE, BOX, CENTRE = 28, 20, 14
FORMATS = "PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"  # Pillow knows more; it has Ghostscript run what an EPS file says
MOST_PIXELS = 30_000_000  # in a file: more than most cameras take, little enough to be read within a second and 200 MB
ENOUGH = 1_000  # pixels a side: a larger picture is made smaller to find the digit, and the digit if it is still larger
LEAST_CONTRAST = 16  # of 255, between ink and paper: below this, a picture is blank
GRAIN = 0.2  # of the strongest ink: what is weaker is the paper's grain, or a shadow
SPECK = 0.05  # of the ink of the largest part: what has less, and stands apart, is dirt
EDGE = 0.01  # of a side: what is no wider, touches the border and stands apart is the scanner's edge


def read_digits(paths):
    """The digits in image files, one in each: uint8 (N, 1, 28, 28), 0 background to 255 ink. Errors: as `read_digit`."""
    return np.array([read_digit(path) for path in paths], np.uint8).reshape(-1, 1, SIDE, SIDE)


def read_digit(path):
    """The digit in an image file of one of FORMATS: uint8 (28, 28), 0 background to 255 ink.

    Dark on light or light on dark; what is transparent is white. Errors: `DataError`, which names the file, for one that
    is missing, no image, damaged, larger than MOST_PIXELS, or blank.
    """
    try:
        return like_mnist(_read_grey(Path(path)))
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def like_mnist(grey):
    """A grey picture (H, W), of any real dtype and range -> uint8 (28, 28), as MNIST has it. `DataError` if it is blank.

    Specks, and a scanner's edge, that stand apart from the digit do not count as parts of it.
    """
    ink = _ink(np.asarray(grey, np.float32))
    ink = ink[_box(ink)]
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(size * scale)) for size in ink.shape)
    small = Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)  # the mean of what falls into each pixel
    small = np.asarray(small)
    small = small * (255 / small.max())  # a thin line is as black as a thick one
    top, left = (_first(small, axis) for axis in (0, 1))
    digit = np.zeros((SIDE, SIDE), np.uint8)
    digit[top : top + height, left : left + width] = np.rint(small)
    return digit


def _ink(grey):
    """How far each pixel differs from the paper, 0 to 1.

    The paper is what most of the border shows; ink is on that side of it, darker or lighter, that goes further from it.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = np.median(border)
    darker, lighter = paper - grey.min(), grey.max() - paper
    contrast = max(darker, lighter)
    if not contrast >= LEAST_CONTRAST:
        raise DataError("expected a digit, darker or lighter than what is around it; this picture is blank")
    ink = (paper - grey if darker >= lighter else grey - paper) / contrast
    ink[ink < GRAIN] = 0
    return ink


def _box(ink):
    """The rows and the columns of the digit."""
    rows, columns = slice(None), slice(None)
    for _ in range(2):  # a speck beside the digit hides one below it from the first look
        rows = _extent(ink[:, columns].sum(axis=1, dtype=np.float64))
        columns = _extent(ink[rows].sum(axis=0, dtype=np.float64))
    return rows, columns


def _extent(mass):
    """Where the ink lies, given its mass in each row or column: a slice, without runs of dirt before and after it."""
    starts, ends = np.flatnonzero(np.diff(mass > 0, prepend=False, append=False)).reshape(-1, 2).T
    runs = np.add.reduceat(mass, starts)  # nothing lies between them
    at_border = (starts == 0) | (ends == len(mass))
    runs[at_border & (ends - starts <= max(1, EDGE * len(mass)))] = 0
    kept = runs >= SPECK * runs.max()
    return slice(starts[kept][0], ends[kept][-1])


def _first(small, axis):
    """Where the first row, or column, goes, for the centre of mass to lie at CENTRE; the digit stays inside the picture."""
    mass = small.sum(axis=1 - axis, dtype=np.float64)
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(np.rint(CENTRE - centre), 0, SIDE - len(mass)))


def _read_grey(path):
    """The file's picture, its first if it has several, in grey: (H, W) in 0..255."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that nobody reads here, and of a size that is judged below
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise _too_large(f"{image.width:,} x {image.height:,}")
                return _to_grey(ImageOps.exif_transpose(image))
    except (DataError, MemoryError):
        raise
    except FileNotFoundError:
        raise DataError("there is no such file") from None
    except IsADirectoryError:
        raise DataError("expected an image file, got a folder") from None
    except Image.DecompressionBombError:  # Pillow's own limit, before there is a size to look at
        raise _too_large("far more") from None
    except Image.UnidentifiedImageError:
        raise DataError(f"expected an image of a kind that is read here ({', '.join(FORMATS)}), got something else") from None
    except Exception as problem:  # whatever damage provokes in the readers of many formats
        raise DataError(f"cannot be read ({getattr(problem, 'strerror', None) or problem})") from None


def _to_grey(image):
    if image.mode.startswith(("I", "F")):  # 16 bits and more, which Pillow would cut off at 255
        grey = np.asarray(image, np.float32)
        return grey * (255 / max(1.0, float(np.abs(grey).max())))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image if "A" in image.getbands() else image.convert("RGBA")
        paper = Image.new("L", image.size, 255)
        paper.paste(image.convert("L"), mask=image.getchannel("A"))
        image = paper
    image = image.convert("L")
    step = max(1, math.isqrt(image.width * image.height) // ENOUGH)
    rows, columns = _box(_ink(np.asarray(image.reduce(step), np.float32)))  # reduced by averages of blocks
    left, top = max(0, columns.start - 1) * step, max(0, rows.start - 1) * step  # with a block of paper around it
    right, bottom = min(image.width, (columns.stop + 1) * step), min(image.height, (rows.stop + 1) * step)
    image = image.crop((left, top, right, bottom))
    return np.asarray(image.reduce(max(1, max(image.size) // ENOUGH)))


def _too_large(size):
    return DataError(f"expected a picture of at most {MOST_PIXELS:,} pixels, got {size}; scale it down first")
