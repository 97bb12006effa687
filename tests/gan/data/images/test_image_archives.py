"""Image sets from .zip and .tar: in place, and within bounds."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest

from gan.data import from_folder
from gan.data.images import image_archives
from gan.errors import DataError
from tests.gan.data.images.pictures import classes_of, flat


@pytest.fixture(autouse=True)
def cache_of_the_test(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("BYHAND_DATA_DIR", str(tmp_path_factory.mktemp("data")))


def png(colour=(255, 0, 0), size=(40, 30)):
    file = io.BytesIO()
    flat(colour, size).save(file, "PNG")
    return file.getvalue()


def zip_of(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tar_of(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def error(path, **options):
    with pytest.raises(DataError) as caught:
        from_folder(path, **options)
    return str(caught.value)


MAKERS = pytest.mark.parametrize("make", [zip_of, tar_of])


@MAKERS
@pytest.mark.parametrize("top", ["", "./", "photos/"])
def test_an_archive_is_the_folder_that_it_was_made_of(tmp_path, make, top):
    root = classes_of(tmp_path / "root")
    paths = sorted(root.rglob("*.png"), reverse=True)
    members = {f"{top}{path.relative_to(root)}": path.read_bytes() for path in paths}
    archive = make(tmp_path / "archive", members)
    got = from_folder(archive, labels="folders")
    wanted = from_folder(root, labels="folders")
    assert got.digest == wanted.digest and got.class_names == wanted.class_names
    assert got.report.split(": ")[1:] == wanted.report.split(": ")[1:]


@MAKERS
def test_nothing_is_unpacked_to_disk(tmp_path, make, monkeypatch):
    archive = make(tmp_path / "archive", {f"{k}.png": png((k, 0, 0)) for k in range(5)})
    monkeypatch.chdir(tmp_path)
    from_folder(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@MAKERS
def test_a_changed_archive_is_noticed(tmp_path, make):
    archive = make(tmp_path / "archive", {f"{k}.png": png() for k in range(5)})
    assert len(from_folder(archive)) == 5
    make(archive, {f"{k}.png": png() for k in range(6)})
    assert len(from_folder(archive)) == 6


@MAKERS
def test_names_that_lead_out_of_the_archive_are_skipped(tmp_path, make):
    members = {f"{k}.png": png() for k in range(30)}
    members |= {"../out.png": png(), "/abs.png": png(), "a/../../b.png": png()}
    report = from_folder(make(tmp_path / "archive", members)).report
    for name in ("../out.png", "/abs.png", "a/../../b.png"):
        assert f"{name} (its name leads out of the archive)" in report
    assert not (tmp_path.parent / "out.png").exists()


@MAKERS
def test_twins_that_macos_packs_are_ignored(tmp_path, make):
    members = {"a/1.png": png(), "a/2.png": png(), "__MACOSX/a/._1.png": b"twin"}
    images = from_folder(make(tmp_path / "archive", members))
    assert len(images) == 2 and "skipped" not in images.report


@MAKERS
def test_damaged_images_in_an_archive_are_named(tmp_path, make):
    members = {f"{k}.png": png() for k in range(20)} | {"bad.png": png()[:50]}
    report = from_folder(make(tmp_path / "archive", members)).report
    assert "skipped 1 unreadable: bad.png (truncated)" in report


@MAKERS
def test_an_archive_without_images(tmp_path, make):
    assert "got 1 other file (.txt)" in error(make(tmp_path / "archive", {"a.txt": b"x"}))


@MAKERS
def test_a_truncated_archive_is_an_error_at_every_length(tmp_path, make):
    whole = make(tmp_path / "archive", {f"{k}.png": png() for k in range(3)}).read_bytes()
    for length in range(0, len(whole) - 10_240 if make is tar_of else len(whole), 97):
        (tmp_path / "cut").write_bytes(whole[:length])
        assert str(tmp_path / "cut") in error(tmp_path / "cut")


def test_a_zip_that_unpacks_too_far(tmp_path, monkeypatch):
    monkeypatch.setattr(image_archives, "EXPANSION_BYTES", 0)
    archive = zip_of(tmp_path / "bomb.zip", {"a.bmp": b"BM" + bytes(10_000_000)})
    assert "expected images of at most 100 times its own" in error(archive)


@MAKERS
def test_a_member_that_is_too_large(tmp_path, make, monkeypatch):
    monkeypatch.setattr(image_archives, "MAX_FILE_BYTES", 1_000_000)
    members = {f"{k}.png": png() for k in range(10)} | {"big.bmp": b"BM" + bytes(1_000_000)}
    report = from_folder(make(tmp_path / "archive", members)).report
    assert "big.bmp (1,000,002 bytes, more than 1,000,000)" in report


def test_a_list_of_members_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(image_archives, "MAX_LIST_BYTES", 100)
    archive = zip_of(tmp_path / "a.zip", {f"{k}.png": png() for k in range(5)})
    assert "expected a list of members of at most 100 bytes" in error(archive)


def test_encrypted_and_strangely_packed_members_are_skipped(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {f"{k:02}.png": png() for k in range(30)})
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 8] |= 1
    archive.write_bytes(data)
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("lzma.png", png(), zipfile.ZIP_LZMA)
    report = from_folder(archive).report
    assert "00.png (encrypted)" in report
    assert "lzma.png (packed by an unsupported method)" in report


def test_a_member_with_a_wrong_checksum_or_size(tmp_path):
    archive = zip_of(
        tmp_path / "a.zip", {f"{k:02}.png": png() for k in range(20)}, zipfile.ZIP_STORED
    )
    data = bytearray(archive.read_bytes())
    data[data.index(b"IDAT") + 6] ^= 255
    archive.write_bytes(data)
    assert "skipped 1 unreadable: 00.png (Bad CRC-32" in from_folder(archive).report


def test_links_and_devices_in_a_tar_are_skipped(tmp_path):
    path = tar_of(tmp_path / "a.tar", {f"{k}.png": png() for k in range(30)})
    with tarfile.open(path, "a") as archive:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("fifo.png", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    report = from_folder(path).report
    assert "link.png (not a regular file)" in report and "fifo.png (not a regular" in report


@pytest.mark.parametrize("size", [-2560, -100])
def test_a_tar_with_a_negative_size_ends(tmp_path, size):
    """-2560 leads back to the first member, for ever."""
    data = tar_of(tmp_path / "a.tar", {"a.png": png(), "b.png": png()}).read_bytes()[:2048]
    info = tarfile.TarInfo("c.png")
    info.size = size
    path = tmp_path / "evil.tar"
    path.write_bytes(data + info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert "expected an intact archive, got one with a negative size" in error(path)


def test_a_long_name_in_a_tar_takes_no_memory(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2_000_000_000
    path = tmp_path / "evil.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT))
    os.truncate(path, 2_000_010_000)  # a sparse file
    assert "expected an intact archive" in error(path)


@pytest.mark.parametrize("mode, method", [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_a_packed_tar_is_refused_with_a_remedy(tmp_path, mode, method):
    path = tar_of(tmp_path / "a.tar.x", {"a.png": png()}, mode)
    assert f"got a file packed by {method}; unpack it, or pack the folder as a .zip" in error(path)


def test_windows_separators_in_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    members = {f"{name}/{k}.png": png() for name in ("cat", "dog") for k in range(2)}
    data = zip_of(path, members).read_bytes()
    for name in (b"cat", b"dog"):
        data = data.replace(name + b"/", name + b"\\")
    path.write_bytes(data)
    assert from_folder(path, labels="folders").class_names == ("cat", "dog")


def test_names_of_any_bytes_in_a_tar(tmp_path):
    members = {f"caf\udce9/{k}.png": png() for k in range(2)} | {"b/1.png": png()}
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", encoding="utf-8", errors="surrogateescape") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert from_folder(path, labels="folders").class_names == ("b", "caf\\xe9")


def test_large_and_small_members_from_two_threads(tmp_path):
    members = {f"{k:03}.png": png((k, 0, 0), (8 + k % 50, 9)) for k in range(200)}
    for make in (zip_of, tar_of):
        images = from_folder(make(tmp_path / make.__name__, members), size=16)
        assert np.array_equal(images.images[:, 0, 8, 8], np.arange(200))
