"""The lock on a run's folder: one run at a time."""

from __future__ import annotations

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gan.errors import RunError
from gan.folders import LOCK

if TYPE_CHECKING:
    from filelock import BaseFileLock

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class RunLock:
    """Locks a folder until `release`, or until the process ends for any reason.

    The operating system locks a hidden file in the folder, which `release` removes. On a file
    system without locks, the folder is not locked.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    RunError
        If another run has locked the folder, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from filelock import FileLock, Timeout  # takes 60 ms

        folder = Path(path)
        try:
            os.listdir(folder)
            # A soft lock is a mere file and would outlive a killed process.
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
        """Unlock the folder."""
        self._release()


def _release(lock: BaseFileLock) -> None:
    """Unlock, and remove the file."""
    if not lock.is_locked:
        return
    if os.name == "posix":  # unlink first: once it is unlocked, the file may be another run's
        _remove_file(lock)
        lock.release()
    else:  # Windows cannot remove an open file
        lock.release()
        _remove_file(lock)


def _remove_file(lock: BaseFileLock) -> None:
    with suppress(OSError):
        os.unlink(lock.lock_file)
