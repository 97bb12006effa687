"""A folder's lock where the usual way is not open; test_resume_command.py has two runs that meet in one."""

import errno

import pytest

from gan.runs import lock as run_lock
from gan.runs.lock import RunLock
from gan.errors import RunError


def test_what_is_no_folder_cannot_be_held(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name, reason in (("file", "Not a directory"), ("none", "No such file or directory")):
        with pytest.raises(RunError, match=f"{name}: cannot be used as a run's folder .{reason}.; name another"):
            RunLock(tmp_path / name)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch, number):
    opened = []

    def refuse(handle, operation):
        opened.append(handle)
        raise OSError(number, "no locks here")

    monkeypatch.setattr(run_lock.fcntl, "flock", refuse)
    lock = RunLock(tmp_path)
    with pytest.raises(OSError):
        run_lock.os.fstat(opened[0])  # closed: nobody waits for a lock that is none
    lock.release()


def test_a_system_without_fcntl_has_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "fcntl", None)
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    first.release()
    second.release()
