"""Files that are whole or not there."""

import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[a-z]{3,4}\.[a-z0-9_]{8}")  # .weights.npz.x1y2z3ab


@contextmanager
def atomic_write(path):
    """Open a temporary file beside `path` for writing bytes; when the block ends well, it is flushed and moved there.

    After an error, or a kill, what was at `path` is as it was.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's files are for their owner only
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_temporaries(folder):
    """Remove what a killed process has left of `atomic_write` in a folder that nobody else writes into."""
    for path in Path(folder).iterdir():
        if TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
