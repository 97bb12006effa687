"""The lock on a run's folder; test_resume.py has two runs in one folder."""

import errno
import fcntl
import os

import pytest

from gan.errors import RunError
from gan.runs.lock import RunLock


def test_a_path_that_is_not_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, reason in (("file", "Not a directory"), ("none", "No such file or directory")):
        message = f"{name}: cannot be used as a run's folder .{reason}.; name another"
        with pytest.raises(RunError, match=message):
            RunLock(tmp_path / name)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_accepted(tmp_path, monkeypatch, number):
    opened = []

    def refuse(handle, operation):
        opened.append(handle)
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    for handle in opened:
        with pytest.raises(OSError):
            os.fstat(handle)  # closed
    assert opened and list(tmp_path.iterdir()) == []
    first.release()
    second.release()


def test_a_released_lock_leaves_nothing_and_can_be_acquired_again(tmp_path):
    for _ in range(2):
        lock = RunLock(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == [".lock"]
        with pytest.raises(RunError, match="another run is writing into it"):
            RunLock(tmp_path)
        lock.release()
        lock.release()
        assert list(tmp_path.iterdir()) == []


def test_an_unreferenced_lock_is_released(tmp_path):
    RunLock(tmp_path)
    RunLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []
