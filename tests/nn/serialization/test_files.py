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
    with pytest.raises(OSError), atomic_write(path) as file:
        file.write(b"new")
        path.mkdir()
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_kill_the_old_file_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = (
        "import os, sys; from nn.serialization.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(9)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, timeout=60).returncode
        == 9
    )
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_only_our_own_temporary_files_are_removed(tmp_path):
    for name in (
        ".config.json.original",
        ".weights.npz.12345678",
        ".notes.tmp",
        ".a.bin.0123456789abcdef.tmp~",
    ):
        (tmp_path / name).write_bytes(b"mine")
    remove_temporaries(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_the_bytes_are_on_the_disk_before_they_are_moved(tmp_path, monkeypatch):
    """As power failures require: flushed, fsynced, and only then moved."""

    def content(folder):
        (temporary,) = folder.glob(".a.bin.*.tmp")
        return temporary.read_bytes()

    path, seen, replace = tmp_path / "a.bin", [], os.replace
    path.write_bytes(b"old")
    monkeypatch.setattr(
        os, "fsync", lambda handle: seen.append(("fsync", content(tmp_path), path.read_bytes()))
    )
    monkeypatch.setattr(
        os, "replace", lambda a, b: (seen.append(("move", Path(a).parent, b)), replace(a, b))
    )
    with atomic_write(path) as file:
        file.write(b"new")
    assert (
        seen == [("fsync", b"new", b"old"), ("move", tmp_path, path)]
        and path.read_bytes() == b"new"
    )


# ---- modes and owners


@pytest.fixture
def umask():
    """Call it to set the umask; the old one comes back after the test."""
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "mask, expected", [(0o000, 0o666), (0o022, 0o644), (0o027, 0o640), (0o077, 0o600)]
)
def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path, umask, mask, expected):
    umask(mask)
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"x")
    assert mode(tmp_path / "a.bin") == expected


def test_the_umask_is_never_set(tmp_path, monkeypatch):
    """It belongs to the whole process: files of other threads would get another mode."""
    monkeypatch.setattr(os, "umask", None)
    for _ in range(2):
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"x")


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_a_replaced_file_keeps_its_mode_and_nobody_else_reads_it_before(tmp_path, umask, kept):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(kept)
    with atomic_write(path) as file:
        assert {mode(each) for each in tmp_path.iterdir()} == {kept}
        file.write(b"new")
    assert (mode(path), path.read_bytes()) == (kept, b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may give files away")
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    with atomic_write(path) as file:
        file.write(b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 5678)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_an_owner_that_cannot_be_kept_is_no_error(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, "not yours")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o600)
    monkeypatch.setattr(os, "chown", refuse)
    with atomic_write(path) as file:
        file.write(b"new")
    assert (mode(path), path.read_bytes()) == (0o600, b"new")


def test_a_read_only_file_is_refused_before_the_work(tmp_path, monkeypatch):
    """As `open` refuses it. Root may write anything, so the refusal is simulated."""
    path, real = tmp_path / "a.bin", os.open

    def as_another_user(name, flags, *rest, **more):
        if (
            flags & (os.O_WRONLY | os.O_RDWR)
            and os.path.exists(name)
            and not mode(Path(name)) & 0o200
        ):
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return real(name, flags, *rest, **more)

    path.write_bytes(b"old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "open", as_another_user)
    with pytest.raises(PermissionError), atomic_write(path):
        pytest.fail("the work has begun")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


# ---- what is at the path


def write(path, content=b"new"):
    with atomic_write(path) as file:
        file.write(content)


@pytest.mark.parametrize("existed", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, monkeypatch, existed):
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    if existed:
        (there / "a.bin").write_bytes(b"old")
    (here / "newest").symlink_to(Path("..") / "there" / "a.bin")
    (here / "link").symlink_to("newest")
    monkeypatch.chdir(here)
    with atomic_write("link") as file:
        assert (
            len(list(there.glob(".a.bin.*.tmp"))) == 1
        )  # beside the target: a move must not cross file systems
        file.write(b"new")
    assert os.readlink("link") == "newest" and os.readlink("newest") == "../there/a.bin"
    assert [p.read_bytes() for p in there.iterdir()] == [b"new"] and len(list(here.iterdir())) == 2


def test_a_link_into_a_folder_that_is_not_there_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to("none/a.bin")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "link")
    assert [p.name for p in tmp_path.iterdir()] == ["link"]


def test_a_link_that_leads_back_to_itself_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(
        FileError,
        match="a: expected a file .*, got a link that leads back to itself; remove it",
    ):
        write(tmp_path / "a")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.path.relpath(path))  # a socket's path is short


@pytest.mark.parametrize(
    "make, kind", [(os.mkdir, "folder"), (os.mkfifo, "pipe"), (make_socket, "socket")]
)
@pytest.mark.parametrize("through_link", [False, True])
def test_what_is_no_file_is_never_replaced_by_one(tmp_path, monkeypatch, make, kind, through_link):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "it")
    before, path = (tmp_path / "it").stat(), tmp_path / "it"
    if through_link:
        path = tmp_path / "link"
        path.symlink_to("it")
    with pytest.raises(
        FileError,
        match=f"{path.name}: expected a file or an unused name, got a {kind}; name another file",
    ):
        write(path)
    assert (tmp_path / "it").stat() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may make a device, and replace any")
def test_a_device_is_never_replaced_by_a_file(tmp_path):
    """One of the test's own: a failure must not cost the system its /dev/null."""
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
def test_any_name_that_the_file_system_takes_will_do(tmp_path, name):
    for content in (b"first", b"second"):
        write(tmp_path / name, content)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"second")]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "none" / "a.bin"):
        pass
