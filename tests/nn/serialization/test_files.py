"""Atomic files: errors and kills, modes and owners, links and devices."""

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nn import FileError
from nn.serialization.files import atomic_write, remove_temporaries

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize("as_given", [Path, str])
def test_file_is_created_and_replaced(tmp_path, as_given):
    path = tmp_path / "a.bin"
    for content in (b"first", b"second"):
        with atomic_write(as_given(path)) as file:
            file.write(content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_old_file_stays_until_the_end(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError, SystemExit])
@pytest.mark.parametrize("existed", [True, False])
def test_error_leaves_everything_unchanged(tmp_path, error, existed):
    path = tmp_path / "a.bin"
    if existed:
        path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        file.write(b"half of the n")
        raise error
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"] * existed


def test_failed_move_leaves_everything_unchanged(tmp_path):
    path = tmp_path / "a.bin"
    with pytest.raises(OSError), atomic_write(path) as file:
        file.write(b"new")
        path.mkdir()
    assert list(tmp_path.iterdir()) == [path]


def test_kill_leaves_the_old_file_unchanged(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = (
        "import os, sys; from nn.serialization.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(9)"
    )
    result = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, timeout=60)
    assert result.returncode == 9
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporary_files_of_atomic_write_are_removed(tmp_path):
    for name in (
        ".config.json.original",
        ".weights.npz.12345678",
        ".notes.tmp",
        ".a.bin.0123456789abcdef.tmp~",
    ):
        (tmp_path / name).write_bytes(b"mine")
    remove_temporaries(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_file_is_flushed_and_fsynced_before_it_is_moved(tmp_path, monkeypatch):
    """Otherwise a power failure could leave an empty file."""

    def content(folder):
        (temporary,) = folder.glob(".a.bin.*.tmp")
        return temporary.read_bytes()

    def fsync(handle):
        calls.append(("fsync", content(tmp_path), path.read_bytes()))

    def move(source, target):
        calls.append(("move", Path(source).parent, target))
        replace(source, target)

    path, calls, replace = tmp_path / "a.bin", [], os.replace
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", move)
    with atomic_write(path) as file:
        file.write(b"new")
    assert calls == [("fsync", b"new", b"old"), ("move", tmp_path, path)]
    assert path.read_bytes() == b"new"


# ---- modes and owners


@pytest.fixture
def umask():
    """A function that sets the umask, which is restored after the test."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "mask, expected", [(0o000, 0o666), (0o022, 0o644), (0o027, 0o640), (0o077, 0o600)]
)
def test_new_file_has_the_mode_that_the_umask_gives(tmp_path, umask, mask, expected):
    umask(mask)
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"x")
    assert mode(tmp_path / "a.bin") == expected


def test_umask_is_never_set(tmp_path, monkeypatch):
    """The umask belongs to the process: files of other threads would get another mode."""
    monkeypatch.setattr(os, "umask", None)
    for _ in range(2):
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_replaced_file_keeps_its_mode_from_the_start(tmp_path, umask, kept):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(kept)
    with atomic_write(path) as file:
        assert {mode(each) for each in tmp_path.iterdir()} == {kept}
        file.write(b"new")
    assert (mode(path), path.read_bytes()) == (kept, b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which may give files away")
def test_replaced_file_keeps_its_owner_and_group(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    with atomic_write(path) as file:
        file.write(b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_owner_that_cannot_be_kept_is_no_error(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "not yours")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o600)
    monkeypatch.setattr(os, "chown", refuse)
    with atomic_write(path) as file:
        file.write(b"new")
    assert (mode(path), path.read_bytes()) == (0o600, b"new")


def test_read_only_file_is_refused_at_the_start(tmp_path, monkeypatch):
    """As `open` would. Root may write anything, so the refusal is simulated."""
    path, real = tmp_path / "a.bin", os.open

    def as_another_user(name, flags, *rest, **more):
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        if writes and os.path.exists(name) and not mode(Path(name)) & 0o200:
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return real(name, flags, *rest, **more)

    path.write_bytes(b"old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "open", as_another_user)
    with pytest.raises(PermissionError), atomic_write(path):
        pytest.fail("the block was entered")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


# ---- links and what is not a regular file


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


@pytest.mark.parametrize("existed", [True, False])
def test_link_stays_and_its_target_is_replaced(tmp_path, monkeypatch, existed):
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    if existed:
        (there / "a.bin").write_bytes(b"old")
    (here / "newest").symlink_to(Path("..") / "there" / "a.bin")
    (here / "link").symlink_to("newest")
    monkeypatch.chdir(here)
    with atomic_write("link") as file:
        # beside the target: a move must not cross file systems
        assert len(list(there.glob(".a.bin.*.tmp"))) == 1
        file.write(b"new")
    assert os.readlink("link") == "newest" and os.readlink("newest") == "../there/a.bin"
    assert [p.read_bytes() for p in there.iterdir()] == [b"new"] and len(list(here.iterdir())) == 2


def test_link_into_a_missing_folder_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to("none/a.bin")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "link")
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


def test_link_that_leads_back_to_itself_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    message = "a: expected a file .*, got a link that leads back to itself; remove it"
    with pytest.raises(FileError, match=message):
        write(tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(path))  # a socket's path is short


@pytest.mark.parametrize(
    "make, kind", [(os.mkdir, "folder"), (os.mkfifo, "pipe"), (make_socket, "socket")]
)
@pytest.mark.parametrize("through_link", [False, True])
def test_folder_pipe_or_socket_is_never_replaced(tmp_path, monkeypatch, make, kind, through_link):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "it")
    before, path = (tmp_path / "it").stat(), tmp_path / "it"
    if through_link:
        path = tmp_path / "link"
        path.symlink_to("it")
    message = f"{path.name}: expected a file or an unused name, got a {kind}; name another file"
    with pytest.raises(FileError, match=message):
        write(path)
    assert (tmp_path / "it").stat() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which may make and replace devices")
def test_device_is_never_replaced(tmp_path):
    """The test makes its own device: a failure must not destroy /dev/null."""
    try:
        os.mknod(tmp_path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except OSError as problem:
        pytest.skip(f"no device can be made here ({problem.strerror})")
    (tmp_path / "link").symlink_to("null")
    for name in ("null", "link"):
        with pytest.raises(FileError, match=f"{name}: .* got a device; name another file"):
            write(tmp_path / name)
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode) and (tmp_path / "link").is_symlink()


def test_other_hard_links_keep_the_old_content(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "a")
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


@pytest.mark.parametrize(
    "name", ["n" * 255, "数" * 85, "two\nlines.npz", "\udcff.npz", "Größe 数.npz", "-rf", "a.b.c"]
)
def test_any_name_that_the_file_system_allows(tmp_path, name):
    for content in (b"first", b"second"):
        write(tmp_path / name, content)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"second")]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a.bin"):
        pass
