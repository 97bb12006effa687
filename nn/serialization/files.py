"""Files that are whole or not there."""

import errno
import os
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from nn.errors import FileError

TEMPORARY = re.compile(r"\.[^/]+\.[0-9a-f]{16}\.tmp")  # .weights.npz.0123456789abcdef.tmp
KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


@contextmanager
def atomic_write(path):
    """Open a temporary file beside `path` for writing bytes; when the block ends well, it is flushed and moved there.

    After an error or a kill, what was at `path` is unchanged. Otherwise the result is what `open(path, "wb")` would leave:

    - A new file gets the mode that the umask, or the folder's access control list, gives to new files.
    - A file that is replaced keeps its mode and, as far as the system permits, its owner and group. Other hard links to it
      keep the old content. One that is read-only is refused, although its folder would permit the move.
    - A symbolic link stays: the file it points to is replaced, or created if it does not exist yet.

    Raises
    ------
    FileError
        If `path` is a folder, pipe, socket or device, which a file must not replace, or a link that leads back to itself.
    OSError
        If the system does not permit the file to be written.
    """
    old = _old_file(path)
    target = Path(os.path.realpath(path) if os.path.islink(path) else path)
    temporary = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.tmp")  # a name of 255 bytes is long enough
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


def remove_temporaries(folder):
    """Remove what a killed process has left of `atomic_write` in a folder that nobody else writes into."""
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _old_file(path):
    """The status of the regular file at `path`, or None if nothing is there; refuses what must not be replaced."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as problem:
        if problem.errno == errno.ELOOP:
            raise FileError(f"{path}: expected a file or an unused name, got a link that leads back to itself; remove it") from None
        raise
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise FileError(f"{path}: expected a file or an unused name, got {KINDS.get(kind, 'something else')}; name another file")
    os.close(os.open(path, os.O_WRONLY))  # raises for a read-only file, as opening it for writing would
    return status


def _private(path, flags):
    """Opens a file that only its owner can read, until it gets the mode of the file that it will replace."""
    return os.open(path, flags, 0o600)


def _copy_owner_and_mode(old, path):
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):  # one may be permitted where the other is not
        with suppress(OSError, AttributeError):  # Windows has no chown
            os.chown(path, owner, group)
    os.chmod(path, stat.S_IMODE(old.st_mode))
