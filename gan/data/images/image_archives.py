"""The image files of a .zip or .tar, read in place with bounded memory."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from gan.data.images.listing import ImageFile, Listing
from gan.errors import DataError
from nn.serialization.bounded_zip import METHODS, BoundedReads

MAX_LIST_BYTES = 50_000_000  # of the list of members: about 500,000 images
MAX_FILE_BYTES = 200_000_000  # of one image file: a bitmap of 64 million pixels
EXPANSION = 100  # times that a zip may grow: uncompressed drawings reach about 50
EXPANSION_BYTES = 100_000_000  # that any zip may grow by
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257


@contextmanager
def open_archive(path: Path) -> Iterator[ZipImages | TarImages]:
    """Open a .zip or .tar, known by its content.

    Raises
    ------
    DataError
        If the file is neither, is damaged, or promises too much.
    """
    with _open(path) as file:
        head = file.read(TAR_MAGIC_AT + len(TAR_MAGIC))
        file.seek(0)
        if head.startswith(b"PK"):
            yield ZipImages(path, file)
        elif head[TAR_MAGIC_AT:] == TAR_MAGIC:
            yield TarImages(path, file)
        else:
            raise DataError(_unknown(path, head))


def _open(path: Path) -> BoundedReads:
    """Open a regular file."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise DataError(
                f"{path}: expected a folder, .zip or .tar of images, got a device; name another"
            )
        return BoundedReads(path)
    except OSError as problem:
        raise DataError(
            f"{path}: expected a folder, .zip or .tar of images, got "
            f"{problem.strerror or problem}; check the path and its permissions"
        ) from None


class ArchiveImages:
    """The image files of an open archive: members are read one at a time, whole, and never unpacked
    to disk.

    Parameters
    ----------
    path
        The archive, for errors.
    file
        The open archive.
    """

    def __init__(self, path: Path, file: BoundedReads) -> None:
        self.path, self.file, self.lock = path, file, threading.Lock()
        status = os.fstat(file.fileno())
        self.n_bytes = status.st_size
        text = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def listing(self) -> Listing:
        listing = Listing()
        try:
            self._list(listing)
        except DataError:
            raise
        except Exception as problem:  # whatever damage provokes in the readers of zip and tar
            raise DataError(
                f"{self.path}: expected an intact archive, got a damaged one ({problem}); copy or "
                "pack it again"
            ) from None
        self.file.limit = None
        _strip_common_folder(listing)
        return listing.sort()

    def _list(self, listing: Listing) -> None:
        """Add the archive's members to the listing."""
        raise NotImplementedError

    def _add(self, listing: Listing, name: str, size: int, reason: str, read: partial) -> None:
        """Add one member, or the reason why it is skipped."""
        name = name.removeprefix("./")
        if not listing.accepts(name):
            return
        if name.startswith("/") or ".." in name.split("/"):
            reason = "its name leads out of the archive"
        elif size > MAX_FILE_BYTES:
            reason = f"{size:,} bytes, more than {MAX_FILE_BYTES:,}"
        if reason:
            listing.skipped.append((name, reason))
        else:
            listing.files.append(ImageFile(name, read))


class ZipImages(ArchiveImages):
    """The image files of a zip."""

    def _list(self, listing: Listing) -> None:
        self.file.limit = MAX_LIST_BYTES
        archive = zipfile.ZipFile(self.file)
        members = [member for member in archive.infolist() if not member.is_dir()]
        unpacked = sum(member.file_size for member in members)
        if unpacked > EXPANSION * self.n_bytes + EXPANSION_BYTES:
            raise DataError(
                f"{self.path}: expected images of at most {EXPANSION} times its own "
                f"{self.n_bytes:,} bytes, got {unpacked:,}; unpack it if you trust it, and name "
                "the folder"
            )
        for member in members:
            reason = ""
            if member.flag_bits & 1:
                reason = "encrypted"
            elif member.compress_type not in METHODS:
                reason = "packed by an unsupported method"
            elif stat.S_ISLNK(member.external_attr >> 16):
                reason = "a link"
            read = partial(self._read, archive, member)
            self._add(listing, member.filename.replace("\\", "/"), member.file_size, reason, read)

    def _read(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        """The unpacked member."""
        with self.lock:
            return io.BytesIO(archive.read(member))


class TarImages(ArchiveImages):
    """The image files of an uncompressed tar."""

    def _list(self, listing: Listing) -> None:
        archive = tarfile.open(fileobj=self.file, mode="r:")
        while member := archive.next():
            if member.size < 0:  # it would lead back for ever
                raise DataError(
                    f"{self.path}: expected an intact archive, got one with a negative size; pack "
                    "it again"
                )
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            if not member.isdir():
                reason = "" if member.isreg() and not member.issparse() else "not a regular file"
                read = partial(self._read, member.offset_data, member.size)
                self._add(listing, member.name, member.size, reason, read)

    def _read(self, offset: int, size: int) -> IO[bytes]:
        """The member's bytes."""
        with self.lock:
            self.file.seek(offset)
            return io.BytesIO(self.file.read(size))


def _strip_common_folder(listing: Listing) -> None:
    """Name the files as below the folder that holds all of them, if there is only one at the top.

    A folder is often packed together with its own name.
    """
    names = [file.name for file in listing.files]
    if names and "/" in names[0]:
        top = names[0].partition("/")[0] + "/"
        if all(name.startswith(top) for name in names):
            listing.files = [
                file._replace(name=file.name.removeprefix(top)) for file in listing.files
            ]


def _unknown(path: Path, head: bytes) -> str:
    """The error for a file that is no archive."""
    start = f"{path}: expected a folder, .zip or .tar of images"
    for magic, method in COMPRESSED.items():
        if head.startswith(magic):
            return (
                f"{start}, got a file packed by {method}; unpack it, or pack the folder as a .zip"
            )
    if head.startswith((b"\x93NUMPY",)):
        return f"{start}, got a NumPy array; read it with gan.data.from_array"
    return f"{start}, got another file; name the folder that holds the images"
