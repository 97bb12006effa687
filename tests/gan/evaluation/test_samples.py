"""Checking images, and reading them from files."""

import zipfile

import numpy as np
import pytest

from gan.errors import DataError
from gan.evaluation import as_images, read_images

BYTES = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
FLOATS = (BYTES / 255).astype(np.float32)


@pytest.mark.parametrize("shape", [(6, 28, 28), (6, 1, 28, 28), (6, 784)])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_every_form_is_converted_to_one(shape, dtype):
    given = BYTES if dtype == "uint8" else FLOATS.astype(dtype)
    given = given.reshape(shape)
    before = given.copy()
    images = as_images(given)
    assert images.shape == (6, 784) and images.dtype == np.float32
    assert np.allclose(images, FLOATS.reshape(6, 784), atol=1e-3 if dtype == "float16" else 1e-7)
    assert 0 <= images.min() and images.max() <= 1
    images[...] = 0
    assert np.array_equal(given, before)


BAD = [
    (BYTES[:, :27], 1, ["(N, 28, 28), (N, 1, 28, 28) or (N, 784)", "(6, 27, 28)"]),
    (BYTES.reshape(-1, 2, 28, 28), 1, ["(3, 2, 28, 28)"]),
    (BYTES[0], 1, ["(28, 28)"]),
    (np.float32(1), 1, ["()"]),
    (BYTES.astype(np.int64), 1, ["uint8 in 0..255 or floats", "int64"]),
    (BYTES > 9, 1, ["bool"]),
    (FLOATS.astype(complex), 1, ["complex"]),
    (BYTES, 7, ["at least 7", "got 6"]),
    (FLOATS[:0], 1, ["at least 1", "got 0"]),
    (np.where(np.arange(784) == 5, np.nan, FLOATS.reshape(6, 784)), 1, ["finite", "6 of 6 images"]),
    (np.where(FLOATS == FLOATS.max(), np.inf, FLOATS), 1, ["finite"]),
    (2 * FLOATS - 1, 1, ["floats in [0, 1]", "-1 to 1", "(x + 1) / 2"]),
    (255 * FLOATS, 1, ["floats in [0, 1]", "0 to 255", "x / 255"]),
    (FLOATS - np.float32(1e-3), 1, ["floats in [0, 1]"]),
]


@pytest.mark.parametrize("images, at_least, words", BAD)
def test_invalid_images_are_refused(images, at_least, words):
    with pytest.raises(DataError, match="images: expected") as error:
        as_images(images, at_least)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_images_are_read_from_npz_and_npy(tmp_path):
    expected = FLOATS.reshape(6, 784)
    np.savez(tmp_path / "one.npz", whatever=BYTES)
    np.savez_compressed(tmp_path / "named.npz", noise=np.zeros(3), images=FLOATS)
    np.save(tmp_path / "plain.npy", np.asfortranarray(FLOATS))
    for name in ("one.npz", "named.npz", "plain.npy"):
        assert np.allclose(read_images(tmp_path / name), expected, atol=1e-7)


def write_bad_file(kind, path):
    """Write a file that must be refused; return what the error must say."""
    if kind == "a folder":
        path.mkdir()
        return ["folder"]
    if kind == "no file of arrays":
        path.write_bytes(b"hello, I am a picture")
        return ["expected an .npz"]
    if kind == "truncated":
        np.savez(path, images=BYTES)
        path.write_bytes(path.read_bytes()[:2000])
        return ["expected an .npz"]
    if kind == "truncated .npy":
        with open(path, "wb") as file:
            np.save(file, BYTES)
        path.write_bytes(path.read_bytes()[:2000])
        return ["damaged"]
    if kind == "a flipped byte":
        np.savez(path, images=BYTES)
        content = bytearray(path.read_bytes())
        content[1500] ^= 1
        path.write_bytes(content)
        return ["damaged"]
    if kind == "pickled":
        np.savez(path, images=np.array([{"a": 1}], dtype=object))
        return ["pickled"]
    if kind == "claims too much":
        with zipfile.ZipFile(path, "w") as archive, archive.open("images.npy", "w") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 784)}
            np.lib.format.write_array_header_1_0(file, header)
        return ["damaged"]
    if kind == "packed too well for images":
        np.savez_compressed(path, images=np.zeros((100_000, 784), np.uint8))
        return ["claims 78,400,128 unpacked"]
    if kind == "an .npy of version 3":
        with open(path, "wb") as file:
            np.lib.format.write_array(file, BYTES, version=(3, 0))
        return ["version 1 or 2"]
    if kind == "no array in it":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", b"hello")
        return ["cannot be read"]
    if kind == "several arrays":
        np.savez(path, a=BYTES, b=BYTES)
        return ["one array, or one named 'images'", "a, b"]
    if kind == "none":
        np.savez(path)
        return ["one array", "none"]
    if kind == "wrong range":
        np.savez(path, images=2 * FLOATS - 1)
        return ["floats in [0, 1]"]
    return ["no such file"]


KINDS = [
    "missing",
    "a folder",
    "no file of arrays",
    "truncated",
    "truncated .npy",
    "a flipped byte",
    "pickled",
    "claims too much",
    "packed too well for images",
    "an .npy of version 3",
    "no array in it",
    "several arrays",
    "none",
    "wrong range",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_named_in_the_error(tmp_path, kind):
    path = tmp_path / "images.npz"
    words = write_bad_file(kind, path)
    with pytest.raises(DataError) as error:
        read_images(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_uint8_images_of_zeros_and_ones_are_refused():
    with pytest.raises(DataError, match="uint8 in 0..255, got none above 1"):
        as_images(np.eye(784, dtype=np.uint8))
    assert not as_images(np.zeros((3, 784), np.uint8)).any()  # all black is valid
