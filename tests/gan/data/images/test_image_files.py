"""Decoding one image file: formats, modes, orientation, transparency and damage."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from gan.data.images.image_files import (
    MAX_PIXELS,
    BadImage,
    Target,
    decode,
    read_header,
)
from gan.data.images.pillow_warnings import no_warnings
from tests.gan.data.images.pictures import BLUE, RED, flat, halves

COLOUR, GREY = Target(32, 3), Target(32, 1)


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def decoded(image, target=COLOUR, format="PNG", **options):
    data = encoded(image, format, **options)
    return decode(lambda: io.BytesIO(data), target).pixels


def reason(data, target=COLOUR):
    with pytest.raises(BadImage) as caught:
        decode(lambda: io.BytesIO(data), target)
    return str(caught.value)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_each_format(format):
    pixels = decoded(flat(), format=format)
    assert pixels.shape == (3, 32, 32) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.array(RED)[:, None, None]).max() <= 3


@pytest.mark.parametrize("format", ["TIFF", "PPM", "ICO", "PCX"])
def test_other_formats_are_refused(format):
    assert reason(encoded(flat(), format)) == "not a PNG, JPEG, WEBP, BMP or GIF image"


def test_a_picture_that_is_a_program_is_not_run():
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n"
    assert "not a PNG" in reason(data)


def test_the_first_frame_of_an_animation():
    for format in ("GIF", "WEBP", "PNG"):
        frames = {"save_all": True, "append_images": [flat(BLUE)], "lossless": True}
        pixels = decoded(flat(RED), format=format, **frames)
        assert pixels[0].min() > 250 and pixels[2].max() < 5


def test_palettes_are_looked_up():
    image = halves().convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.array_equal(decoded(image), decoded(halves()))


@pytest.mark.parametrize("value, expected", [(0, 0), (257 * 100, 100), (65535, 255)])
def test_16_bits_are_scaled(value, expected):
    image = Image.fromarray(np.full((32, 32), value, np.uint16))
    assert (decoded(image, GREY) == expected).all()
    assert (decoded(image, COLOUR) == expected).all()


def test_bitmaps_of_one_bit():
    assert (decoded(flat(1, mode="1"), GREY) == 255).all()


def test_cmyk_becomes_red_green_and_blue():
    image = flat((0, 255, 255, 0), mode="CMYK")  # no cyan, all magenta and yellow: red
    red, green, blue = decoded(image, format="JPEG", quality=95)
    assert red.min() > 240 and green.max() < 40 and blue.max() < 40


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255), (10, 20, 30)])
def test_transparent_pixels_show_the_background(background):
    target = Target(32, 3, background=background)
    wanted = np.broadcast_to(np.array(background)[:, None, None], (3, 32, 32))
    clear = flat((255, 0, 0, 0), mode="RGBA")
    assert np.array_equal(decoded(clear, target), wanted)
    assert np.array_equal(decoded(flat((9, 0), mode="LA"), target), wanted)
    assert np.array_equal(decoded(flat(), target, transparency=RED), wanted)
    palette = flat().convert("P", palette=Image.Palette.ADAPTIVE)
    index = palette.getpixel((0, 0))
    assert np.array_equal(decoded(palette, target, transparency=index), wanted)
    assert np.array_equal(decoded(palette, target, format="GIF", transparency=index), wanted)


def test_half_transparent_pixels_are_mixed():
    half = flat((255, 0, 0, 128), mode="RGBA")
    assert np.abs(decoded(half)[0].astype(int) - 128).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_orientation_is_honoured(orientation, fit):
    """The stored pixels are those of a camera held otherwise."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :, 0], upright[:, :24, 1] = 255, 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright[::-1]),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = Target(32, 3, fit)
    got = decoded(Image.fromarray(np.ascontiguousarray(stored)), target, exif=exif)
    wanted = decoded(Image.fromarray(upright), target)
    assert np.abs(got.astype(int) - wanted).max() <= 1


def test_crop_pad_and_stretch():
    wide = halves((64, 32))
    crop, pad, stretch = (decoded(wide, Target(32, 3, fit)) for fit in ("crop", "pad", "stretch"))
    assert crop[0, :, :16].min() == 255 and crop[2, :, 16:].min() == 255
    assert pad[:, :8].max() == pad[:, 24:].max() == 0 and pad[0, 8:24, :14].min() > 240
    assert stretch[0, :, :14].min() > 240 and stretch[2, :, 18:].min() > 240
    white = decoded(wide, Target(32, 3, "pad", (255, 255, 255)))
    assert white[:, :8].min() == 255


def test_a_large_jpeg_is_what_it_would_be_without_reduced_decoding(monkeypatch):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8)).resize((1600, 1200))
    quick = decoded(noise, format="JPEG")
    monkeypatch.setattr(Image.Image, "draft", lambda *_: None)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", lambda *_: None)
    assert np.abs(quick.astype(int) - decoded(noise, format="JPEG")).max() <= 4


def test_grey_and_colour():
    grey = flat((90, 90, 90))
    assert (decoded(grey, GREY) == 90).all()
    assert (decoded(flat(90, mode="L"), COLOUR) == 90).all()
    for image, loses in ((grey, False), (flat(), True), (flat(90, mode="L"), False)):
        data = encoded(image)
        assert decode(lambda data=data: io.BytesIO(data), GREY).loses_colour == loses


def test_a_truncated_file_is_refused_at_every_length():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8))
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        data = encoded(image, format)
        for length in (0, 10, len(data) // 2, len(data) - len(data) // 8):
            assert reason(data[:length]), (format, length)
    assert reason(encoded(image, "JPEG")[:600]) == "truncated"


def png_of(width, height):
    """A PNG that claims a size, with hardly any pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


@pytest.mark.parametrize("size", [(20_000, 20_000), (9_000, 9_000), (1, MAX_PIXELS + 1)])
def test_a_decompression_bomb_is_refused_by_its_header(size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    data = png_of(*size)
    with no_warnings():
        assert f"more than {MAX_PIXELS:,} pixels" in reason(data)
        with pytest.raises(BadImage, match="more than"):
            read_header(lambda: io.BytesIO(data))


def test_an_image_of_one_pixel_is_refused():
    assert reason(encoded(flat(size=(1, 1)))) == "only 1 x 1 pixels"


def test_warnings_are_silenced_for_all_threads_and_then_restored():
    before = list(warnings.filters)

    def inside(_):
        with no_warnings():
            warnings.warn("of Pillow", stacklevel=1)  # would raise in the tests

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(inside, range(200)))
    assert warnings.filters == before
