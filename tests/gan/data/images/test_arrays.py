"""Image sets from arrays, .npy and .npz: layouts, values, labels and damaged files."""

import zipfile

import numpy as np
import pytest

from gan.data import from_array
from gan.data.images import image_set, npy_files
from gan.errors import DataError

RNG = np.random.default_rng(0)
NCHW = RNG.integers(0, 256, (6, 3, 8, 10), np.uint8)
GREY = NCHW[:, :1]


def error(*arguments):
    with pytest.raises(DataError) as caught:
        from_array(*arguments)
    return str(caught.value)


@pytest.fixture(params=["array", "npy", "npz", "packed npz"])
def give(request, tmp_path):
    """Turns an array into a source of that kind."""

    def give(array):
        if request.param == "array":
            return array
        path = tmp_path / f"images.{request.param[-3:]}"
        if request.param == "npy":
            np.save(path, array)
        else:
            (np.savez if request.param == "npz" else np.savez_compressed)(path, images=array)
        return path

    return give


@pytest.mark.parametrize("block_bytes", [1, 500, 1 << 24])
def test_every_layout_and_type(give, block_bytes, monkeypatch):
    monkeypatch.setattr(image_set, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(npy_files, "BLOCK_BYTES", block_bytes)
    for array, wanted in (
        (NCHW, NCHW),
        (NCHW.transpose(0, 2, 3, 1), NCHW),
        (GREY, GREY),
        (GREY[:, 0], GREY),
        (GREY.transpose(0, 2, 3, 1), GREY),
        (np.asfortranarray(NCHW), NCHW),
        (NCHW / 255, NCHW),
        ((NCHW / 255).astype(">f8"), NCHW),
        ((NCHW / np.float32(255)).transpose(0, 2, 3, 1), NCHW),
        ((GREY[:, 0] / 255).astype(np.float16), GREY),
    ):
        images = from_array(give(array))
        assert np.array_equal(images.images, wanted) and images.images.dtype == np.uint8
        assert images.labels is None


def test_an_array_that_needs_no_change_is_shared():
    assert from_array(NCHW).images is not None
    assert np.shares_memory(from_array(NCHW).images, NCHW)
    assert np.shares_memory(from_array(GREY[:, 0]).images, GREY)


@pytest.mark.parametrize(
    "array, parts",
    [
        (np.zeros((5, 3, 8, 3), np.uint8), ["ambiguous shape (5, 3, 8, 3)", "more than 3 pixels"]),
        (np.zeros((5, 1, 8, 1), np.uint8), ["ambiguous shape (5, 1, 8, 1)"]),
        (np.zeros((5, 784), np.uint8), ["got shape (5, 784)", "reshape(-1, 32, 32)"]),
        (np.zeros((5, 8, 8, 4), np.uint8), ["got shape (5, 8, 8, 4)"]),
        (np.zeros((28, 28, 3), np.uint8), ["got shape (28, 28, 3)", "images[None]"]),
        (np.zeros((5, 1, 1), np.uint8), ["at least 4 x 4 pixels, got shape (5, 1, 1)"]),
        (np.zeros((0, 8, 8), np.uint8), ["at least one image", "got shape (0, 8, 8)"]),
        (np.zeros((5, 8, 8), np.int64), ["got int64", "images.astype(np.uint8)"]),
        (np.zeros((5, 8, 8), bool), ["got bool", "255 * images"]),
        (np.zeros((5, 8, 8), complex), ["got complex128"]),
        (np.ones((5, 8, 8), np.uint8), ["got no value above 1; multiply them by 255"]),
        (np.full((5, 8, 8), 255.0), ["expected floats in [0, 1], got 255 to 255", "by 255"]),
        (np.linspace(-1, 1, 320).reshape(5, 8, 8), ["got -1 to 1", "(images + 1) / 2"]),
    ],
)
def test_bad_arrays(give, array, parts):
    message = error(give(array))
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found(give, value, monkeypatch):
    monkeypatch.setattr(image_set, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(npy_files, "BLOCK_BYTES", 1_000)
    array = np.zeros((50, 8, 8))
    array[37, 2, 2] = value
    message = error(give(array))
    assert f"expected finite values, got {value} in image 37" in message


def test_object_arrays_are_refused(tmp_path):
    images = np.empty(2, object)
    images[:] = [np.zeros((8, 8)), np.zeros((9, 9))]
    assert "got Python objects; make one array of images of one size" in error(images)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "a.npz", images=images)
    for name in ("a.npy", "a.npz"):
        assert "Python objects, which can run code and are not read" in error(tmp_path / name)


def test_something_else():
    assert "expected an array or the path of a .npy or .npz, got a list" in error([NCHW])


# ---- labels ---------------------------------------------------------------------------------


def test_labels_of_a_file_and_of_the_caller(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=NCHW, labels=[3, 7, 7, 3, 9, 9])
    images = from_array(path)
    assert images.labels.tolist() == [0, 1, 1, 0, 2, 2] and images.labels.dtype == np.int64
    assert images.class_names == ("3", "7", "9") and images.report.endswith("; 3 classes")
    images = from_array(path, labels=["cat", "dog"] * 3)
    assert images.labels.tolist() == [0, 1] * 3 and images.class_names == ("cat", "dog")
    assert from_array(NCHW, np.array([0, 1] * 3, np.uint8)).class_names == ("0", "1")


@pytest.mark.parametrize(
    "labels, part",
    [
        ([0, 1], "expected an integer or string for each of 6 images, got int64 (2,)"),
        (np.eye(6), "got float64 (6, 6)"),
        ([0.0, 1.0] * 3, "got float64 (6,)"),
        (np.array([None] * 6), "got object (6,)"),
        ([4] * 6, "expected at least two classes, got only 4; do without labels"),
    ],
)
def test_bad_labels(tmp_path, labels, part):
    assert part in error(NCHW, labels)
    np.savez(tmp_path / "a.npz", images=NCHW, labels=labels)
    if np.asarray(labels).dtype != object:
        assert part in error(tmp_path / "a.npz")


# ---- files ----------------------------------------------------------------------------------


def test_files_that_are_not_there_or_something_else(tmp_path):
    assert "got No such file or directory" in error(tmp_path / "a.npy")
    assert "got a folder or device" in error(tmp_path)
    (tmp_path / "a.npy").write_bytes(b"no array")
    assert "got another or a damaged one" in error(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x_train=NCHW, y_train=[1])
    assert "expected an array named images, got x_train, y_train" in error(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_file_truncated_at_any_byte(tmp_path, name):
    np.savez(tmp_path / "a.npz", images=NCHW)
    np.save(tmp_path / "a.npy", NCHW)
    whole = (tmp_path / name).read_bytes()
    for length in range(0, len(whole), 13):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert str(tmp_path / "cut") in error(tmp_path / "cut")


def test_a_header_that_promises_too_much(tmp_path):
    np.save(tmp_path / "a.npy", NCHW)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"(6, 3, 8, 10)", b"(6, 3, 8, 99)"))
    message = error(tmp_path / "a.npy")
    assert "for shape (6, 3, 8, 99), got 1,568: damaged" in message


def test_an_npz_that_unpacks_too_far(tmp_path, monkeypatch):
    monkeypatch.setattr(npy_files, "EXPANSION_BYTES", 0)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((3, 1000, 1000), np.uint8))
    assert "expected arrays of at most 100 times its own" in error(tmp_path / "a.npz")


def test_other_arrays_of_an_npz_are_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", images=NCHW, other=np.array([None]))
    assert len(from_array(tmp_path / "a.npz")) == 6


def test_a_member_that_occurs_twice(tmp_path):
    np.savez(tmp_path / "a.npz", images=NCHW)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, pytest.warns(UserWarning):
        archive.writestr("images.npy", b"other")
    assert "'images.npy' occurs twice" in error(tmp_path / "a.npz")
