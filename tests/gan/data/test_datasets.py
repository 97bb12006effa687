"""Loading data sets from folders, damaged files and the bundled sample."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gan.data import locations, official
from gan.data.datasets import load
from gan.data.idx import write_idx
from gan.data.sources import SOURCES, Source
from gan.errors import DataError
from tests.support import mirror as behave
from tests.support.mirror import (
    FILES,
    IMAGES,
    LABELS,
    SAMPLE,
    Mirror,
    check,
    closed_port,
    digits,
)

# Offline


def test_the_sample_is_what_its_readme_says():
    images, labels = load("mnist-sample", "train")
    check((images, labels))
    assert images.max() == 255 and images.min() == 0
    assert np.bincount(labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    images, labels = load("mnist-sample", "test", flat=False)
    assert images.shape == (10000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    readme = (SAMPLE / "README.md").read_text()
    assert all(digest in readme for digest in SOURCES["mnist-sample"].files.values())


def test_flat_and_square_images_are_the_same():
    assert np.array_equal(
        load("mnist-sample", "test", flat=False)[0].reshape(-1, 784),
        load("mnist-sample", "test")[0],
    )


@pytest.mark.parametrize("subfolder", [".", "digits"])
def test_files_in_a_folder_are_used_offline(tmp_path, mirror, subfolder, monkeypatch):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    for name in (IMAGES, LABELS):
        (tmp_path / subfolder / name).write_bytes(FILES[name])
    check(load(digits(mirror.url), data_dir=str(tmp_path)))
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    check(load(digits(mirror.url)))
    assert mirror.requested == []


def test_unpacked_mnist_files_are_recognized(tmp_path):
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(gzip.decompress(FILES[name + ".gz"]))
    images, labels = load("mnist", "test", data_dir=tmp_path)
    assert images.shape == (10000, 784) and labels[:4].tolist() == [7, 2, 1, 0]


def test_the_argument_overrides_the_environment_which_overrides_the_default(tmp_path, monkeypatch):
    assert locations.data_root() == SAMPLE.parent
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    assert locations.data_root() == tmp_path
    assert locations.data_root("~/digits") == tmp_path.home() / "digits"
    monkeypatch.setenv("BYHAND_DATA_DIR", "")
    monkeypatch.setattr(locations, "CHECKOUT", tmp_path)  # as when installed from a wheel
    assert locations.data_root().name == "byhand"


def test_an_installed_package_reads_the_sample_inside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "CHECKOUT", tmp_path)
    monkeypatch.setattr(locations, "PACKAGE", tmp_path)
    shutil.copytree(SAMPLE, tmp_path / "mnist_sample")
    assert locations.sample_folder() == tmp_path / "mnist_sample"
    check(load("mnist-sample"))


def test_reading_cached_files_imports_neither_pooch_nor_requests():
    code = (
        "import sys; from gan.data.datasets import load; load('mnist-sample'); "
        "assert not {'pooch', 'requests', 'tqdm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(DataError, match="mnist, fashion-mnist, kmnist, mnist-sample, got 'cifar'"):
        load("cifar")
    with pytest.raises(DataError, match="train, test, got 'valid'"):
        load("mnist", "valid")


def test_a_data_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(DataError, match="a: expected a folder of data files, got a file"):
        load("mnist", data_dir=tmp_path / "a")


def test_a_complete_cache_is_only_read(tmp_path, mirror):
    cache = tmp_path / "digits"
    load(digits(mirror.url), data_dir=tmp_path, quiet=True)
    folders = (tmp_path, cache)
    for folder in folders:
        # Root may write despite the mode: any new or renamed file shows here
        os.utime(folder, (1, 1))
        folder.chmod(0o555)
    try:
        check(load(digits(closed_port()), data_dir=tmp_path))
        assert [folder.stat().st_mtime for folder in folders] == [1, 1]
    finally:
        for folder in folders:
            folder.chmod(0o755)


def idx_source(tmp_path, images, labels):
    """A Source whose files, in tmp_path, hold these arrays."""
    for name, array in ((IMAGES, images), (LABELS, labels)):
        write_idx(tmp_path / name, array)
    return Source(
        "mine",
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in tmp_path.glob("*.gz")
        },
    )


def test_images_and_labels_must_belong_together(tmp_path):
    images, labels = np.zeros((3, 28, 28), np.uint8), np.arange(3, dtype=np.uint8)
    assert load(idx_source(tmp_path, images, labels), data_dir=tmp_path)[1].tolist() == [0, 1, 2]
    with pytest.raises(
        DataError, match=f"{LABELS}: expected one uint8 label for each of the 3 images"
    ):
        load(idx_source(tmp_path, images, labels[:2]), data_dir=tmp_path)
    with pytest.raises(DataError, match=f"{LABELS}: expected one uint8 label"):
        load(idx_source(tmp_path, images, labels.astype(np.int32)), data_dir=tmp_path)
    with pytest.raises(DataError, match=f"{IMAGES}: expected uint8 images"):
        load(idx_source(tmp_path, images[:, :14], labels), data_dir=tmp_path)


# Damaged files

WHOLE = gzip.decompress(FILES[IMAGES])
DAMAGED = {
    "truncated gzip": (FILES[IMAGES][:-100], "truncated"),
    "not gzip": (b"<html>403 Forbidden</html>", "wrong magic"),
    "wrong magic": (gzip.compress(b"\1" + WHOLE[1:5000]), "wrong magic"),
    "wrong size": (gzip.compress(WHOLE[:5000]), "truncated"),
    "another image set": (
        gzip.compress(WHOLE[:4] + b"\0\0\0\2" + WHOLE[8 : 16 + 2 * 784]),
        "with another SHA-256",
    ),
    "of MNIST's test split": (FILES["t10k-images-idx3-ubyte.gz"], "mnist's file"),
    "empty": (b"", "empty"),
}


@pytest.mark.parametrize("subfolder", [".", "digits"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_spoiled_file_is_named_and_never_used(
    tmp_path, mirror, capsys, monkeypatch, kind, subfolder
):
    content, what = DAMAGED[kind]
    path = tmp_path / subfolder / IMAGES
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load(digits(closed_port()), data_dir=tmp_path)
    for word in (str(path), "expected", "got", what, "--data-dir"):
        assert word in str(caught.value)
    assert path.read_bytes() == content  # it stays, since no mirror provides another

    capsys.readouterr()
    check(load(digits(mirror.url), data_dir=tmp_path, quiet=True))
    err = capsys.readouterr().err
    if "MNIST" in kind:
        assert err == ""  # not damaged: data sets may share a folder
    else:
        assert err.count("\n") == 1 and str(path) in err and what in err
    assert (tmp_path / "digits" / IMAGES).read_bytes() == FILES[IMAGES]
    if subfolder == ".":
        assert path.read_bytes() == content  # the user's own file is unchanged


@pytest.mark.parametrize("name", [IMAGES, LABELS])
def test_only_bytes_that_were_hashed_are_read(tmp_path, monkeypatch, name):
    """A file is replaced by another intact one just after its hash was verified."""
    for each in (IMAGES, LABELS):
        (tmp_path / each).write_bytes(FILES[each])
    other = gzip.decompress(FILES[name])
    find = official.file_sha256

    def find_and_replace(path):
        digest = find(path)
        if path == tmp_path / name:
            path.write_bytes(gzip.compress(other[:-1] + b"\x09"))
        return digest

    monkeypatch.setattr(official, "file_sha256", find_and_replace)
    with pytest.raises(DataError, match="has just changed") as error:
        load(digits(closed_port()), data_dir=tmp_path)
    assert str(tmp_path / name) in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path, mirror):
    (tmp_path / IMAGES).mkdir()
    with pytest.raises(DataError) as caught:
        load(digits(mirror.url), data_dir=tmp_path)
    for word in (
        f"{tmp_path / IMAGES}: expected a readable data file",
        "got Is a directory",
        "permissions",
    ):
        assert word in str(caught.value)
    assert mirror.requested == []


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / IMAGES).write_bytes(FILES[IMAGES])
    with pytest.raises(DataError) as caught:
        load(digits(closed_port(), fallback="mnist-sample"), data_dir=tmp_path)
    assert str(tmp_path / "digits" / LABELS) in str(caught.value)


# The fallback


@pytest.mark.parametrize("behaviour", [None, behave.forbidden, behave.wrong_content])
def test_mnist_falls_back_to_the_sample_with_a_one_line_message(
    tmp_path, monkeypatch, capsys, behaviour
):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    with Mirror(dict.fromkeys(SOURCES["mnist"].files, b""), behaviour) as bad:
        monkeypatch.setitem(
            SOURCES,
            "mnist",
            replace(SOURCES["mnist"], mirrors=(bad.url if behaviour else closed_port(),)),
        )
        check(load("mnist", "train", quiet=True))
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for word in ("bundled sample", "10,000", "full set", str(tmp_path / "mnist"), "--data-dir"):
        assert word in err


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist"])
def test_only_mnist_falls_back(tmp_path, monkeypatch, name):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], mirrors=(closed_port(),)))
    with pytest.raises(DataError, match=f"{name}.*connection refused"):
        load(name)


def test_an_empty_folder_falls_back_but_a_missing_one_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], mirrors=(closed_port(),)))
    check(load("mnist", data_dir=tmp_path))
    with pytest.raises(DataError, match="connection refused"):
        load("mnist", data_dir=tmp_path / "mistyped")


def test_no_fallback_if_one_of_the_two_files_is_there(tmp_path, monkeypatch):
    whole = replace(SOURCES["mnist"], files=SOURCES["mnist-sample"].files, mirrors=(closed_port(),))
    monkeypatch.setitem(SOURCES, "mnist", whole)
    (tmp_path / LABELS).write_bytes(FILES[LABELS])
    with pytest.raises(DataError, match="connection refused"):
        load("mnist", data_dir=tmp_path)


def test_no_fallback_from_a_damaged_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], mirrors=(closed_port(),)))
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / IMAGES).write_bytes(FILES[IMAGES])  # the sample's: not an error by itself
    (tmp_path / IMAGES).write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        load("mnist")
    assert str(tmp_path / IMAGES) in str(caught.value) and "damaged" in str(caught.value)


def test_another_data_sets_files_do_not_prevent_the_fallback(tmp_path, monkeypatch):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], mirrors=(closed_port(),)))
    (tmp_path / IMAGES).write_bytes(FILES[IMAGES])
    check(load("mnist"))
