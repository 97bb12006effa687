import os
import subprocess
import sys
from pathlib import Path

import pytest

from nn.serialization.files import atomic_write

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize("as_given", [Path, str])
def test_a_file_appears_and_replaces_the_old_one(tmp_path, as_given):
    path = tmp_path / "a.bin"
    for content in (b"first", b"second"):
        with atomic_write(as_given(path)) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_before_the_end_the_old_file_is_the_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError, SystemExit])
@pytest.mark.parametrize("existed", [True, False])
def test_after_an_error_all_is_as_it_was(tmp_path, error, existed):
    path = tmp_path / "a.bin"
    if existed:
        path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half of the n")
        raise error
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"] * existed


def test_after_a_failed_move_all_is_as_it_was(tmp_path):
    path = tmp_path / "a.bin"
    path.mkdir()
    with pytest.raises(OSError), atomic_write(path) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_kill_the_old_file_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = (
        "import os, sys; from nn.serialization.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n    file.write(b'half'); file.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, timeout=60).returncode == 9
    assert path.read_bytes() == b"old"


def test_the_bytes_are_on_the_disk_before_they_are_moved(tmp_path, monkeypatch):
    """What a power failure asks for: flushed, fsynced, and only then under the name."""
    path, seen, replace = tmp_path / "a.bin", [], os.replace
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(("fsync", os.pread(handle, 99, 0), path.read_bytes())))
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(("move", Path(a).parent, b)), replace(a, b)))
    with atomic_write(path) as file:
        file.write(b"new")
    assert seen == [("fsync", b"new", b"old"), ("move", tmp_path, path)] and path.read_bytes() == b"new"


def test_others_may_read_the_file_as_the_umask_has_it(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")
        assert os.umask(0o027) == 0o027  # and it is put back
    finally:
        os.umask(old)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a.bin"):
        pass
