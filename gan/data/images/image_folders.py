"""The image files of a folder, at any depth."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from gan.data.images.listing import ImageFile, Listing, is_hidden
from gan.errors import DataError


class FolderImages:
    """The image files of a folder.

    Links are followed. A folder that several links lead to is read once, so that links in a circle
    end.

    Parameters
    ----------
    root
        The folder.

    Raises
    ------
    DataError
        If the folder cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._listing = Listing()
        times = []
        for name, path, status in _walk(root, self._listing):
            if self._listing.accepts(name) and _is_file(name, status, self._listing):
                self._listing.files.append(ImageFile(name, partial(_open, path)))
                times.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
        self._listing.sort()
        text = repr((sorted(times), self._listing.skipped, sorted(self._listing.others.items())))
        self.digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def listing(self) -> Listing:
        return self._listing


def _walk(root: Path, listing: Listing) -> Iterator[tuple[str, str, os.stat_result]]:
    """The name, path and status of each file, in folders before links to folders."""
    folders, links = [("", os.fspath(root))], deque[tuple[str, str]]()
    seen: set[tuple[int, int]] = set()
    while folders or links:
        prefix, folder = folders.pop() if folders else links.popleft()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            if status.st_ino:  # some file systems have no such numbers
                seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as problem:
            if not prefix:
                raise DataError(
                    f"{root}: expected a readable folder of images, got {problem.strerror}; check "
                    "its permissions"
                ) from None
            listing.skipped.append((prefix, problem.strerror or str(problem)))
            continue
        for entry in inside:
            name = prefix + entry.name
            try:
                status = entry.stat()
            except OSError as problem:  # a broken link, or one that leads back to itself
                if listing.accepts(name):
                    listing.skipped.append((name, problem.strerror or str(problem)))
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield name, entry.path, status
            elif not is_hidden(entry.name):
                (links if entry.is_symlink() else folders).append((f"{name}/", entry.path))


def _open(path: str) -> IO[bytes]:
    """A file, buffered: Pillow reads headers a few bytes at a time."""
    return open(path, "rb")


def _is_file(name: str, status: os.stat_result, listing: Listing) -> bool:
    """Whether a name is that of a regular file: opening a pipe would wait for ever."""
    is_file = stat.S_ISREG(status.st_mode)
    if not is_file:
        listing.skipped.append((name, "not a regular file"))
    return is_file
