"""The files and folders that commands write: the names a user gives, or free ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan.errors import RunError

RUNS = "runs"  # the folder of all runs, in the working folder


def checked(name: str, suffix: str) -> Path:
    """The path of a file to write; `RunError` for another suffix, or a file that exists."""
    path = Path(name)
    if path.suffix != suffix:
        raise RunError(f"{path}: expected a name that ends in {suffix}")
    with named(path):
        path.parent.stat()  # report a missing folder now, not after the work
        if path.exists():
            raise RunError(f"{path}: it exists already; name another file, or remove it first")
    return path


def checked_folder(name: str) -> Path:
    """The path of a folder to write files into; `RunError` unless it is new or empty."""
    path = Path(name)
    with named(path):
        path.parent.stat()  # report a missing folder now, not after the work
        if path.exists() and any(path.iterdir()):
            raise RunError(f"{path}: expected a new folder, got one with files; name another")
    return path


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn an `OSError` in the block into a `RunError` that names the path."""
    try:
        yield
    except OSError as problem:
        raise RunError(
            f"{path}: cannot be written ({problem.strerror}); name another file"
        ) from None


def run_folder(name: str) -> Path:
    """The default folder of a run: runs/NAME-TIME."""
    return Path(RUNS, f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def free_name(path: Path) -> Path:
    """The first of path, path-2, path-3 ... that does not exist."""
    name, k = path, 1
    while name.exists():
        k += 1
        name = path.with_stem(f"{path.stem}-{k}")
    return name


def free_folder(path: Path) -> Path:
    """Make the first of the folders path, path-2, path-3 ... that does not exist.

    Other processes may do the same at the same time.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    RunError
        If it cannot be made.
    """
    while True:
        name = free_name(path)
        try:
            name.mkdir(parents=True)
            return name
        except OSError as problem:
            if not name.exists():  # otherwise another process was faster
                raise RunError(
                    f"{name}: cannot be written ({problem.strerror}); "
                    "name another folder with --out"
                ) from None
