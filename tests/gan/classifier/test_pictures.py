"""Reading pictures of digits, and turning them into images like MNIST's."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gan.classifier import mnist_style, pictures
from gan.classifier.mnist_style import like_mnist
from gan.classifier.pictures import read_digit, read_digits
from gan.data.datasets import load
from gan.errors import DataError


def seven(size=100, paper=255, ink=0, mode="L", stroke=0.1):
    """A drawn 7, `size` pixels high on a canvas of twice that, off its centre."""
    image = Image.new(mode, (2 * size, 2 * size), paper)
    points = [(0.3, 0.4), (0.9, 0.4), (0.5, 1.4)]
    ImageDraw.Draw(image).line(
        [(x * size, y * size) for x, y in points], fill=ink, width=max(1, round(stroke * size))
    )
    return image


def read(image, path):
    image.save(path)
    return read_digit(path)


def centre_of_mass(digit):
    mass, i = digit.astype(float), np.arange(28)
    return (mass.sum(axis=1) @ i) / mass.sum(), (mass.sum(axis=0) @ i) / mass.sum()


def box(digit):
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def assert_alike(a, b, tolerance):
    """Two digits differ by at most this share of their ink; rounding may shift one by a pixel."""
    a, b = a.astype(float), b.astype(float)
    differences = [
        np.abs(np.roll(a, (i, j), (0, 1)) - b).sum() for i in (-1, 0, 1) for j in (-1, 0, 1)
    ]
    assert min(differences) / min(a.sum(), b.sum()) <= tolerance


def test_a_digit_fits_the_box_with_its_proportions_and_its_centre_of_mass_in_the_middle(tmp_path):
    digit = read(seven(), tmp_path / "a.png")
    assert digit.shape == (28, 28) and digit.dtype == np.uint8 and digit.max() == 255
    height, width = box(digit)
    assert height == 20 and 11 <= width <= 15  # 100 by 60, plus the ends of the stroke
    assert max(abs(c - 14) for c in centre_of_mass(digit)) <= 0.51
    # The bar is on top: neither rotated nor mirrored
    assert digit[:, :14].sum() > 0 and np.argmax(digit.sum(axis=1)) < 8
    assert digit[12, 16] > 0 and digit[22:, 16:].sum() < digit[22:, :16].sum()


def test_dark_on_light_and_light_on_dark_give_the_same_digit(tmp_path):
    dark = read(seven(paper=255, ink=0), tmp_path / "a.png")
    light = read(seven(paper=0, ink=255), tmp_path / "b.png")
    assert np.array_equal(dark, light)


@pytest.mark.parametrize(
    "paper, ink", [(255, 100), (200, 90), (30, 80), (128, 250), (128, 10), (100, 130)]
)
def test_any_two_greys_with_contrast_work(tmp_path, paper, ink):
    wanted = read(seven(paper=255, ink=0), tmp_path / "a.png")
    got = read(seven(paper=paper, ink=ink), tmp_path / "b.png")
    assert np.abs(got.astype(int) - wanted).max() <= 1


def test_a_digit_may_touch_the_border():
    grey = np.asarray(seven(300).resize((90, 90), Image.Resampling.BICUBIC))
    rows, columns = (np.flatnonzero((grey < 200).any(axis=axis)) for axis in (1, 0))
    cut = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert cut[1, 1] < 50 and cut[-1, -1] > 250  # from corner to corner
    assert np.array_equal(like_mnist(cut), like_mnist(grey))


@pytest.mark.parametrize("size", [80, 130, 400, 900])
def test_the_size_of_a_picture_does_not_matter(tmp_path, size):
    assert_alike(read(seven(size), tmp_path / "a.png"), read(seven(200), tmp_path / "b.png"), 0.12)


@pytest.mark.parametrize(
    "canvas, place",
    [((20_060, 60), (9_000, 5)), ((60, 20_060), (5, 3)), ((6_000, 5_000), (4_444, 3_333))],
)
def test_a_small_digit_on_large_paper_keeps_its_details(tmp_path, canvas, place):
    digit = seven(25, stroke=0.04)  # a pixel wide
    page = Image.new("L", canvas, 255)
    page.paste(digit, place)
    assert_alike(read(page, tmp_path / "a.png"), read(digit, tmp_path / "b.png"), 0.01)


def dirty(ink, kind):
    """The picture, light on dark, with dirt added."""
    ink = ink.copy()
    if kind == "speck":
        ink[-1, -1] = 255
    elif kind == "specks":
        ink[0, 5] = ink[-2, 3] = ink[100, -1] = ink[100, 2] = 255
    elif kind == "edge":
        ink[:, :2] = 255
    else:
        ink[-2:, :] = ink[0, 5] = 255
    return ink


@pytest.mark.parametrize("kind", ["speck", "specks", "edge", "an edge below and a speck"])
@pytest.mark.parametrize("size", [100, 1_100])  # the larger one is reduced first
def test_dirt_beside_the_digit_does_not_shift_it(tmp_path, kind, size):
    clean = 255 - np.asarray(seven(size))
    scale = size // 100
    spoiled = dirty(clean[::scale, ::scale], kind).repeat(scale, 0).repeat(scale, 1)
    clean = clean[::scale, ::scale].repeat(scale, 0).repeat(scale, 1)
    assert_alike(like_mnist(spoiled), like_mnist(clean), 0.01)
    assert_alike(
        read(Image.fromarray(spoiled), tmp_path / "a.png"),
        read(Image.fromarray(clean), tmp_path / "b.png"),
        0.01,
    )


@pytest.mark.parametrize("gap", [0, 4, 20])
def test_the_parts_of_a_digit_stay_together(gap):
    """A 5 with a separate bar."""
    ink = np.zeros((120, 80))
    ink[20:26, 30:60] = 255
    ink[26 + gap : 90 + gap, 20:28] = 255
    ink[82 + gap : 90 + gap, 20:60] = 255
    height, width = 70 + gap, 40
    assert box(like_mnist(ink)) == (20, round(20 * width / height))


def test_a_line_at_the_border_without_anything_else_is_the_digit():
    ink = np.zeros((100, 100))
    ink[10:90, 0] = 255
    assert box(like_mnist(ink)) == (20, 1)


def test_a_picture_smaller_than_the_box_is_enlarged():
    small = np.zeros((5, 4))
    small[1:4, 1:3] = 255
    digit = like_mnist(small)
    assert box(digit) == (20, 13) and (digit > 200).sum() > 200


@pytest.mark.parametrize("offset", [(0, 0), (37, 5), (60, 90)])
@pytest.mark.parametrize("canvas", [(200, 160), (131, 400)])
def test_position_and_paper_format_do_not_matter(offset, canvas):
    ink = 255 - np.asarray(seven(40))
    paper = np.zeros(canvas, np.uint8)
    down, right = offset
    part = ink[: canvas[0] - down, : canvas[1] - right]
    assert part.sum() == ink.sum()
    paper[down : down + part.shape[0], right : right + part.shape[1]] = part
    assert np.array_equal(like_mnist(paper), like_mnist(ink))


def test_a_thin_line_is_as_black_as_a_thick_one():
    line = np.zeros((500, 500))
    line[50:450, 250] = 255
    digit = like_mnist(line)
    assert digit.max() == 255 and box(digit) == (20, 1)


def test_the_grain_of_the_paper_is_not_ink(tmp_path):
    clean = np.asarray(seven(), float)
    noisy = clean - np.random.default_rng(0).uniform(0, 30, clean.shape)
    assert_alike(like_mnist(np.clip(noisy, 0, 255)), like_mnist(clean), 0.15)


def test_a_digit_with_an_eccentric_centre_of_mass_stays_inside():
    ink = np.zeros((100, 100))
    ink[10:90, 10:14] = 255
    ink[86:90, 10:90] = 255
    ink[60:90, 10:40] = 255  # most of its mass is in a corner
    digit = like_mnist(ink)
    assert box(digit) == (20, 20)
    assert max(abs(c - 14) for c in centre_of_mass(digit)) < 5


def test_mnists_own_images_are_nearly_unchanged():
    images, _ = load("mnist-sample", "test", flat=False)
    for image in images[:100, 0]:
        digit = like_mnist(image)
        assert_alike(digit, image, 0.12)
        assert max(abs(a - b) for a, b in zip(centre_of_mass(digit), centre_of_mass(image))) < 1


def with_alpha(mode, hidden, ink=0):
    """An opaque 7 on transparent paper, whose hidden colour is another."""
    opaque = Image.eval(seven(), lambda v: 255 - v)
    return Image.merge(
        mode, [Image.eval(opaque, lambda v: ink if v else hidden)] * (len(mode) - 1) + [opaque]
    )


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("hidden", [0, 255, 128])
def test_transparent_pixels_are_white(tmp_path, mode, hidden):
    assert np.array_equal(
        read(with_alpha(mode, hidden), tmp_path / "a.png"), read(seven(), tmp_path / "b.png")
    )


def test_white_ink_on_transparent_paper_is_blank(tmp_path):
    with pytest.raises(DataError, match="blank"):
        read(with_alpha("RGBA", 0, ink=255), tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "I;16"])
def test_every_kind_of_png_is_read(tmp_path, mode):
    wanted = read(seven(), tmp_path / "a.png")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257)
    else:
        image = seven().convert(mode)
    assert np.array_equal(read(image, tmp_path / "b.png"), wanted)


@pytest.mark.parametrize(
    "dtype, most", [(np.uint16, 4095), (np.int32, 100_000), (np.float32, 1000.0)]
)
def test_other_depths_are_read_by_their_range(tmp_path, dtype, most):
    image = Image.fromarray((np.asarray(seven(paper=200, ink=60)) / 255 * most).astype(dtype))
    assert np.array_equal(read(image, tmp_path / "a.tiff"), read(seven(), tmp_path / "b.png"))


def test_a_palette_may_be_transparent(tmp_path):
    image = Image.fromarray(np.where(np.asarray(seven()) == 255, 0, 1).astype(np.uint8)).convert(
        "P"
    )
    image.putpalette([9, 9, 9, 0, 0, 0])
    image.save(tmp_path / "a.png", transparency=0)
    assert np.array_equal(read_digit(tmp_path / "a.png"), read(seven(), tmp_path / "b.png"))


def test_colours_and_other_formats(tmp_path):
    image = seven(paper=(250, 240, 220), ink=(20, 30, 120), mode="RGB")
    wanted = read(seven(), tmp_path / "a.png")
    for name in ("b.jpg", "b.bmp", "b.gif", "b.webp", "b.tiff", "b.ppm"):
        assert_alike(read(image, tmp_path / name), wanted, 0.05)


def test_a_photo_is_rotated_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown rotated by 90 degrees clockwise
    seven().rotate(90).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_digit(tmp_path / "a.png"), read(seven(), tmp_path / "b.png"))


def test_several_files_make_one_array(tmp_path):
    paths = [tmp_path / "a.png", str(tmp_path / "b.png")]
    seven().save(paths[0])
    seven().rotate(90, fillcolor=255).save(paths[1])
    digits = read_digits(paths)
    assert digits.shape == (2, 1, 28, 28) and digits.dtype == np.uint8
    assert np.array_equal(digits[0, 0], read_digit(paths[0])) and np.array_equal(
        digits[1, 0], read_digit(paths[1])
    )
    assert read_digits([]).shape == (0, 1, 28, 28)


def png_of(width, height):
    """A PNG whose header has this size, with hardly any data."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def assert_error(path, *words):
    with pytest.raises(DataError) as error:
        read_digit(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and message.count(str(path)) == 1 and "\n" not in message
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("size", [(8_000, 8_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_huge_picture_is_refused_before_memory_is_allocated(tmp_path, size):
    # above our limit, above that at which Pillow warns, and above that at which it refuses
    (tmp_path / "a.png").write_bytes(png_of(*size))
    assert_error(tmp_path / "a.png", "at most 30,000,000 pixels")


def test_the_limit_is_exact(tmp_path, monkeypatch):
    seven(50).save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10_000)
    read_digit(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 9_999)
    assert_error(tmp_path / "a.png", "9,999", "100 x 100")


@pytest.mark.parametrize("grey", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 2)])
def test_a_blank_picture_is_an_error(tmp_path, grey, size):
    Image.new("L", size, grey).save(tmp_path / "a.png")
    assert_error(tmp_path / "a.png", "blank")


def test_too_little_contrast_is_blank():
    picture = np.full((50, 50), 200)
    picture[20:30, 20:30] = 200 - mnist_style.MIN_CONTRAST
    assert like_mnist(picture).max() == 255
    picture[20:30, 20:30] += 1
    with pytest.raises(DataError, match="blank"):
        like_mnist(picture)


def test_other_files_are_refused(tmp_path):
    assert_error(tmp_path / "none.png", "no such file")
    assert_error(tmp_path, "folder")
    (tmp_path / "a.png").write_text("a text")
    assert_error(tmp_path / "a.png", "expected an image")
    (tmp_path / "a.png").write_bytes(b"")
    assert_error(tmp_path / "a.png", "expected an image")
    seven().save(tmp_path / "b.png")
    whole = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    assert_error(tmp_path / "b.png", "cannot be read")
    (tmp_path / "c.png").write_bytes(png_of(100, 100))
    assert_error(tmp_path / "c.png", "cannot be read")


@pytest.mark.parametrize("name", ["a.eps", "a.png"])
def test_a_picture_that_is_a_program_is_not_run(tmp_path, monkeypatch, name):
    """Pillow passes EPS files to Ghostscript, which another program here pretends to be."""
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # so that it is searched for
    (tmp_path / name).write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\n{ } loop\n"
    )
    assert_error(tmp_path / name, "expected an image")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tiff"])
def test_damage_anywhere_is_an_error_or_harmless(tmp_path, suffix):
    seven(30).save(tmp_path / f"a{suffix}")
    whole = bytearray((tmp_path / f"a{suffix}").read_bytes())
    rng, errors = np.random.default_rng(0), 0
    for _ in range(60):
        damaged = whole.copy()
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(0, 256)
        (tmp_path / f"b{suffix}").write_bytes(damaged)
        try:
            read_digit(tmp_path / f"b{suffix}")
        except DataError:
            errors += 1
    assert errors > 0
