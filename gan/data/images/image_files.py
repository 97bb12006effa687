"""One image file: its header, and its pixels at the size and in the colours that are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import IO, NamedTuple

import numpy as np
from PIL import ExifTags, Image

from gan.data.images.image_set import MIN_SIDE

# Not all that Pillow reads: an EPS file is a program, which Pillow has Ghostscript run
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 64_000_000  # photographs of 8,000 x 8,000; up to 0.3 GB while one is decoded
GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
FITS = ("crop", "pad", "stretch")
WHITE_16_BIT = 65_535
METADATA = {"exif", "xmp", "XML:com.adobe.xmp"}  # what may state an orientation
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUICK_REDUCTION = 3.0  # `Image.resize` shrinks by a box filter down to 3 times the size

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class BadImage(Exception):
    """An image file that cannot be used; the message is the reason in a few words."""


class Header(NamedTuple):
    """What an image file says of itself: its size in pixels, and whether it can only be grey."""

    width: int
    height: int
    is_grey: bool


@dataclass(frozen=True)
class Target:
    """What an image file is turned into.

    Parameters
    ----------
    size : pixels of a side
    channels : 1 or 3
    fit : "crop", "pad" or "stretch"
    background : (red, green, blue) in 0..255, behind transparent pixels and padding
    """

    size: int
    channels: int
    fit: str = "crop"
    background: tuple[int, int, int] = (0, 0, 0)


class Decoded(NamedTuple):
    """The pixels of an image file, uint8 (C, size, size), and what it was."""

    pixels: np.ndarray
    header: Header
    loses_colour: bool  # whether it has a colour that its one channel does not hold


def read_header(open_file: Opener) -> Header:
    """Read an image's header.

    Raises
    ------
    BadImage
        If the file is no image of FORMATS, or is too small or too large.
    """
    with _opened(open_file) as image:
        return _header(image)


def decode(open_file: Opener, target: Target) -> Decoded:
    """Decode an image, the first frame of several.

    Orientation is honoured, 16-bit values are scaled to 8 bits, and transparent pixels show the
    background.

    Raises
    ------
    BadImage
        As `read_header`, or if the file is damaged or truncated.
    """
    with _opened(open_file) as image:
        header = _header(image)
        width, height = _scaled_size(image.size, target)
        enough = (ceil(QUICK_REDUCTION * width), ceil(QUICK_REDUCTION * height))
        image.draft(None, enough)  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
        picture = _resized(_plain(image), target)
        turn = _orientation(image)
        colours = _on_background(picture if turn is None else picture.transpose(turn), target)
    if target.channels == 3:
        pixels = np.asarray(colours if colours.mode == "RGB" else colours.convert("RGB"))
        return Decoded(pixels.transpose(2, 0, 1), header, loses_colour=False)
    loses_colour = colours.mode == "RGB" and not _is_grey(np.asarray(colours))
    grey = np.asarray(colours if colours.mode == "L" else colours.convert("L"))
    return Decoded(grey[None], header, loses_colour)


@contextmanager
def _opened(open_file: Opener) -> Iterator[Image.Image]:
    """Open an image; every failure in the block that the file causes is a `BadImage`."""
    try:
        with open_file() as file, Image.open(file, formats=FORMATS) as image:
            yield image
    except (BadImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limit
        raise BadImage(f"more than {MAX_PIXELS:,} pixels") from None
    except Image.UnidentifiedImageError:
        raise BadImage(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except Exception as problem:  # whatever a damaged file raises in the readers of many formats
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise BadImage("truncated" if "truncated" in reason.lower() else reason) from None


def _header(image: Image.Image) -> Header:
    """The header of an open image, of a size that can be used."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(f"{width:,} x {height:,}, more than {MAX_PIXELS:,} pixels")
    if min(width, height) < MIN_SIDE:
        raise BadImage(f"only {width} x {height} pixels")
    return Header(width, height, image.mode in GREY_MODES)


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L, RGB or, where it is transparent, RGBA."""
    image.load()  # a PNG may name its transparent colour or orientation late
    if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
        values = np.asarray(image, np.int64).clip(0, WHITE_16_BIT)
        return Image.fromarray(np.rint(values * (255 / WHITE_16_BIT)).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        return image.convert("RGBA")
    mode = "L" if image.mode in GREY_MODES else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _scaled_size(size: tuple[int, int], target: Target) -> tuple[float, float]:
    """The size that the whole image is scaled to, before it is cropped or padded."""
    if target.fit == "stretch":
        return target.size, target.size
    scale = target.size / (min(size) if target.fit == "crop" else max(size))
    return size[0] * scale, size[1] * scale


def _resized(image: Image.Image, target: Target) -> Image.Image:
    """The image scaled, and cropped at the centre if it is to be."""
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    scaled = _scaled_size(image.size, target)
    size = (max(1, round(scaled[0])), max(1, round(scaled[1])))
    if target.fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        size, box = (target.size, target.size), (left, top, left + side, top + side)
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=QUICK_REDUCTION)


def _is_grey(rgb: np.ndarray) -> bool:
    """Whether red, green and blue, on the last axis, are equal everywhere."""
    return bool((rgb[..., :1] == rgb[..., 1:]).all())


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """How the metadata say that the image must be turned; None if not at all."""
    if not METADATA & image.info.keys():
        return None
    return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _on_background(picture: Image.Image, target: Target) -> Image.Image:
    """The picture, L or RGB, without transparency, and padded to a square."""
    square = (target.size, target.size)
    if picture.size == square and picture.mode != "RGBA":
        return picture
    canvas = Image.new("RGB", square, target.background)
    place = ((target.size - picture.width) // 2, (target.size - picture.height) // 2)
    if picture.mode == "RGBA":
        canvas.paste(picture, place, picture)
    else:
        canvas.paste(picture.convert("RGB"), place)
    return canvas
