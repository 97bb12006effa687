"""The lock on a run's folder: one run at a time."""

from __future__ import annotations

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gan.folders import LOCK
from gan.errors import RunError

if TYPE_CHECKING:
    from filelock import BaseFileLock

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunLock:
    """Holds a folder until `release`, or until the process ends, by whatever cause.

    It is a lock of the operating system on a hidden file in the folder, which `release` removes. On
    a file system without locks, there is none.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    RunError
        If another run holds it, or it is not a folder that can be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from filelock import FileLock, Timeout  # takes 60 ms

        folder = Path(path)
        try:
            os.listdir(folder)
            # A soft lock, which is only a file, would outlive a killed process.
            lock = FileLock(folder / LOCK, timeout=0, thread_local=False, fallback_to_soft=False)
            self._release = weakref.finalize(self, _release, lock)
            lock.acquire()
        except Timeout:
            raise RunError(
                f"{path}: another run is writing into it; wait for its end, "
                "or name another folder with --out"
            ) from None
        except OSError as problem:
            if problem.errno not in NO_LOCKS:
                raise RunError(
                    f"{path}: cannot be used as a run's folder ({problem.strerror}); name another"
                ) from None
            _remove_file(lock)

    def release(self) -> None:
        """Let other runs have the folder."""
        self._release()


def _release(lock: BaseFileLock) -> None:
    if not lock.is_locked:
        return
    if os.name == "posix":  # first: who waits for this file sees that it is gone
        _remove_file(lock)
        lock.release()
    else:  # Windows removes no open file
        lock.release()
        _remove_file(lock)


def _remove_file(lock: BaseFileLock) -> None:
    with suppress(OSError):
        os.unlink(lock.lock_file)
