"""The cache of decoded images: used, renewed when a file changes, and never trusted blindly."""

import errno
import json
import os
from contextlib import contextmanager

import numpy as np
import pytest

from gan.data import from_folder
from gan.data.images import decoded_cache, folder
from nn.serialization.files import atomic_write
from tests.gan.data.images.pictures import BLUE, classes_of, flat, folder_of, save


@pytest.fixture
def photos(tmp_path):
    return folder_of(tmp_path / "photos", ending=".bmp")


@pytest.fixture
def load(photos, tmp_path, monkeypatch):
    """Loads the folder; the function's `decoded` says whether files were decoded."""
    real = folder.decode_all

    def load(path=photos, cache_dir=tmp_path / "cache", **options):
        load.decoded = 0
        return from_folder(path, cache_dir=cache_dir, **options)

    def counting(*arguments):
        load.decoded += 1
        return real(*arguments)

    monkeypatch.setattr(folder, "decode_all", counting)
    return load


class SmallFile:
    """A file that holds no more than 5,000 bytes."""

    def __init__(self, file):
        self.file, self.seek, self.truncate = file, file.seek, file.truncate

    def write(self, data):
        if self.file.tell() + len(data) > 5_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def files(folder):
    return sorted(path.suffix for path in folder.iterdir())


def test_a_second_start_decodes_nothing(load, tmp_path):
    first = load()
    assert load.decoded == 1 and files(tmp_path / "cache") == [".json", ".npy"]
    second = load()
    assert load.decoded == 0
    assert np.array_equal(first.images, second.images) and first.report == second.report
    assert first.digest == second.digest


def test_the_images_are_a_memory_map_that_cannot_be_written(load):
    images = load().images
    assert isinstance(images.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_the_default_folder(load, tmp_path, monkeypatch):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path / "data"))
    load(cache_dir=None)
    assert files(tmp_path / "data" / "decoded") == [".json", ".npy"]


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "replaced", "touched"])
def test_a_changed_folder_is_noticed_and_the_old_images_removed(load, photos, tmp_path, change):
    before = load()
    path = photos / "003.bmp"
    if change == "added":
        save(photos / "z.png", flat(BLUE))
    elif change == "removed":
        path.unlink()
    elif change == "renamed":
        path.rename(photos / "zzz.png")
    elif change == "replaced":  # by a file of equal size, whose time is put back
        status = path.stat()
        path.write_bytes((photos / "004.bmp").read_bytes())
        assert path.stat().st_size == status.st_size
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(path, (1, 1))
    after = load()
    assert load.decoded == 1 and files(tmp_path / "cache") == [".json", ".npy"]
    assert (after.digest == before.digest) == (change == "touched")
    assert before.images.max() > 0  # the old memory map still holds


def test_labels_need_no_other_images(load, tmp_path):
    root = classes_of(tmp_path / "classes")
    load(root)
    assert load(root, labels="folders").class_names == ("blue", "green", "red")
    assert load.decoded == 0


def test_other_settings_have_images_of_their_own(load, tmp_path):
    shapes = [load(**options).image_shape for options in ({}, {"size": 16}, {"channels": 1})]
    assert shapes == [(3, 32, 32), (3, 16, 16), (1, 32, 32)]
    assert len(files(tmp_path / "cache")) == 6
    assert load(size=16).image_shape == (3, 16, 16) and not load.decoded


@pytest.mark.parametrize("damage", ["truncated", "emptied", "no json", "bad json", "other shape"])
def test_a_damaged_cache_is_renewed(load, tmp_path, damage):
    wanted = load().images.copy()
    npy = next((tmp_path / "cache").glob("*.npy"))
    rest = npy.with_suffix(".json")
    if damage == "truncated":
        os.truncate(npy, npy.stat().st_size - 1)
    elif damage == "emptied":
        os.truncate(npy, 0)
    elif damage == "no json":
        rest.unlink()
    elif damage == "bad json":
        rest.write_text('{"names": 3')
    else:
        rest.write_text(json.dumps(json.loads(rest.read_text()) | {"shape": [10, 3, 16, 64]}))
    assert np.array_equal(load().images, wanted) and load.decoded == 1


def test_a_cache_that_cannot_be_written_costs_only_time(load, tmp_path):
    (tmp_path / "file").write_text("where the folder should be")
    images = load(cache_dir=tmp_path / "file")
    assert len(images) == 10 and images.images[3, 0, 0, 0] == 13
    assert "not cached" in images.report and "file" in images.report


def test_a_disk_that_fills_up_costs_only_time(load, tmp_path, monkeypatch):
    @contextmanager
    def on_a_full_disk(path):
        with atomic_write(path) as file:
            yield SmallFile(file)

    monkeypatch.setattr(decoded_cache, "atomic_write", on_a_full_disk)
    images = load()
    assert images.images[:, 0, 0, 0].tolist() == list(range(10, 20))
    assert "not cached (No space left on device)" in images.report
    assert files(tmp_path / "cache") == []
