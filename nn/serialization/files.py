"""Atomic files: complete, or not there."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nn.errors import FileError

TEMPORARY = re.compile(r"\.[^/]+\.[0-9a-f]{16}\.tmp")  # .weights.npz.0123456789abcdef.tmp
LONGEST_STEM = 50  # characters of the name in a temporary name: file systems allow 255 bytes
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; when the block succeeds, flush it and move it there.

    After an error or a kill, the file at `path` is unchanged. Otherwise the result is what
    ``open(path, "wb")`` would leave:

    - A new file gets the mode that the umask, or the folder's access control list, gives to new
      files.
    - A replaced file keeps its mode and, as far as the system permits, its owner and group. Other
      hard links to it keep the old content. A read-only file is refused, although its folder would
      permit the move.
    - A symbolic link stays: the file it points to is replaced, or created.

    Parameters
    ----------
    path
        The file to write.

    Returns
    -------
    context manager
        Yields the temporary file, open for writing bytes.

    Raises
    ------
    FileError
        If `path` is a folder, pipe, socket or device, which a file must not replace, or a link that
        leads back to itself.
    OSError
        If the system does not permit the file to be written.
    """
    old = _old_file(path)
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    temporary = target.with_name(f".{target.name[:LONGEST_STEM]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb", opener=_private if old else None) as file:
            if old:
                _copy_owner_and_mode(old, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporaries(folder: str | os.PathLike[str]) -> None:
    """Remove what killed processes left of `atomic_write`; no other process may write there."""
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _old_file(path: str | os.PathLike[str]) -> os.stat_result | None:
    """The status of the regular file at `path`, None if there is none; refuses anything else."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise FileError(
                f"{path}: expected a file or an unused name, got a link that leads back to itself; "
                "remove it"
            ) from None
        raise
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        found = KINDS.get(kind, "something else")
        raise FileError(
            f"{path}: expected a file or an unused name, got {found}; name another file"
        )
    os.close(os.open(path, os.O_WRONLY))  # raises for a read-only file, as opening it would
    return status


def _private(path: str, flags: int) -> int:
    """Opens a file for its owner only, until it gets the mode of the file that it replaces."""
    return os.open(path, flags, 0o600)


def _copy_owner_and_mode(old: os.stat_result, path: Path) -> None:
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):  # one may be permitted, not the other
        with suppress(OSError, AttributeError):  # Windows has no chown
            os.chown(path, owner, group)
    os.chmod(path, stat.S_IMODE(old.st_mode))
