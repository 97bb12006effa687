"""Zip files that are hostile, damaged or truncated, in every reader of archives.

A reader returns what was written or raises its documented error, of one line, in little memory.
Readers of data sets and of pictures are tested in tests/gan; benchmarks/fuzz.py searches for hours.
"""

import zipfile

import numpy as np
import pytest

from nn import Dense, Sequential, save_weights
from nn.serialization.bounded_zip import MAX_LIST_BYTES, BoundedReads, open_zip
from tests.nn.serialization.untrusted import (
    READERS,
    bomb,
    control_characters,
    duplicate,
    empty,
    is_refused,
    largest,
    members,
    nested,
    nested_beside,
    npy,
    save_generator,
    save_run,
    save_samples,
    save_small_checkpoint,
    save_small_classifier,
    write,
)
from tests.support.small import assert_refused, command, example  # noqa: F401


@pytest.mark.parametrize("change", [bomb, nested, duplicate, empty, control_characters])
def test_hostile_archive_is_refused(reader, sound_file, change):
    path, content = sound_file
    write(path, change(content), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    assert is_refused("nothing", reader, path)


@pytest.mark.parametrize("place", ["beside", "instead"])
def test_path_as_a_member_name_writes_nothing(reader, sound_file, place, monkeypatch):
    path, content = sound_file
    want, data = reader.read(path), content[largest(content)]
    monkeypatch.setattr(zipfile.ZipFile, "extract", None)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", None)
    if place == "instead":
        content = {each: data for each, data in content.items() if each != largest(content)}
    for name in (
        "../../evil.npy",
        "/tmp/evil.npy",
        "C:\\evil.npy",
        "..\\evil.npy",
        "evil/",
        "evil.txt",
        "e\0.npy",
        "é.npy",
    ):
        write(path, content | {name: data})
        # an archive of samples may contain other arrays, and its only array may have any name
        assert is_refused(want, reader, path) or reader is READERS["samples"]
        assert [p.name for p in path.parent.iterdir()] == ["file.npz"]


def test_archive_inside_an_archive_is_not_opened(reader, sound_file):
    path, content = sound_file
    want = reader.read(path)
    write(path, nested_beside(content))
    assert is_refused(want, reader, path) or reader is READERS["samples"]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unsupported_compression_is_refused(reader, sound_file, method):
    path, content = sound_file
    write(path, content, method)
    assert is_refused("nothing", reader, path)


def test_one_member_of_unsupported_compression_is_refused(reader, sound_file):
    path, content = sound_file
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            method = zipfile.ZIP_BZIP2 if name == largest(content) else zipfile.ZIP_STORED
            archive.writestr(name, data, method)
    assert is_refused("nothing", reader, path)


def test_deflated_members_in_any_order_are_read(reader, sound_file):
    path, content = sound_file
    want = reader.read(path)
    write(path, dict(reversed(content.items())), zipfile.ZIP_DEFLATED)
    assert not is_refused(want, reader, path)


@pytest.mark.parametrize("n_bytes", [2**42, 2**31, 1, 0])
def test_wrong_size_in_the_list_of_members_is_refused(reader, sound_file, n_bytes):
    """The list of members claims terabytes, or less than there is."""
    path, content = sound_file
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        archive.getinfo(largest(content)).file_size = n_bytes
    assert is_refused("nothing", reader, path)


def test_encrypted_member_is_refused(reader, sound_file):
    path, content = sound_file
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        for member in archive.filelist:
            member.flag_bits |= 1
    assert is_refused("nothing", reader, path)


def test_huge_list_of_members_is_refused(reader, sound_file):
    path, content = sound_file
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(MAX_LIST_BYTES // 65_000 + 1):
            member = zipfile.ZipInfo(f"{k}.npy")
            member.comment = b" " * 65_000
            archive.writestr(member, b"")
    assert is_refused("nothing", reader, path)
    with pytest.raises(zipfile.BadZipFile, match="list of members of at most"), open_zip(path):
        pass


def test_file_without_an_end_is_read_up_to_the_limit(tmp_path):
    """Such as /dev/zero, whose size is 0."""
    (tmp_path / "file").write_bytes(bytes(MAX_LIST_BYTES + 1))
    with BoundedReads(tmp_path / "file") as file:
        assert len(file.read()) == MAX_LIST_BYTES
        file.limit = None
        file.seek(0)
        assert len(file.read()) == MAX_LIST_BYTES + 1


def save_small_network(path):
    save_weights(path, {"G": Sequential(Dense(2, 3)).build(seed=0)})


def save_compressed_samples(path):
    np.savez_compressed(path, images=np.ones((2, 784), np.float32))


def save_npy_samples(path):
    path.write_bytes(npy(np.full((1, 784), 9, np.uint8)))


@pytest.mark.parametrize(
    "save, reader",
    [
        (save_small_network, READERS["weights"]),
        (save_small_checkpoint, READERS["checkpoint"]),
        (save_compressed_samples, READERS["samples"]),
        (save_npy_samples, READERS["samples"]),
    ],
    ids=["weights", "checkpoint", "samples .npz", "samples .npy"],
)
def test_truncated_at_every_byte(tmp_path, save, reader):
    path = tmp_path / "file.npz"
    save(path)
    content = path.read_bytes()
    reader.read(path)
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(reader.error) as error:
            reader.read(path)
        assert str(path) in str(error.value)


SAVE = {
    "predict": save_generator,
    "classify": save_small_classifier,
    "evaluate": save_samples,
    "train_mnist_gan": save_run,
}


@pytest.mark.parametrize("change", [bomb, nested, duplicate, control_characters, None])
@pytest.mark.parametrize(
    "name, words",
    [
        ("predict", ["--weights"]),
        ("classify", ["a.png", "--weights"]),
        ("evaluate", ["--samples"]),
        ("evaluate", ["--weights"]),
        ("train_mnist_gan", ["--resume"]),
    ],
    ids=" ".join,
)
def test_command_reports_a_bad_file_in_one_line(command, tmp_path, name, words, change):  # noqa: F811
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "checkpoint.npz"
    SAVE[name](path)
    if change:
        write(path, change(members(path)), zipfile.ZIP_DEFLATED)
    else:
        path.write_bytes(path.read_bytes()[:-30])
    argument = folder if name == "train_mnist_gan" else path
    assert_refused(command(example(name), *words, argument), path)
    assert list(folder.iterdir()) == [path] and list(tmp_path.iterdir()) == [folder]
