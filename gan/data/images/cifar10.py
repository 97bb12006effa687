"""CIFAR-10, from its binary archive: no pickle is read.

Each record of the archive's six files of 10,000 is a byte for the label and 3,072 for the pixels:
1,024 red, 1,024 green and 1,024 blue, row by row.
Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, and
https://www.cs.toronto.edu/~kriz/cifar.html, which states the MD5.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import tarfile
from pathlib import Path
from typing import IO

import numpy as np

from gan.data.fetch import CONNECT_SECONDS, READ_SECONDS, FetchError, Mirrors
from gan.data.images.image_set import ImageSet
from gan.data.locations import data_root
from gan.errors import DataError

NAME = "cifar10"
ARCHIVE = "cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
INSIDE = "cifar-10-batches-bin"
FILES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3_072
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def cifar10(
    split: str = "train",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
) -> ImageSet:
    """Load CIFAR-10, 32 x 32 images in colour of ten classes, fetching it first if necessary.

    The archive is looked for in `data_dir` and its folder `cifar10`, where it is fetched to. It is
    read only if its MD5 is the official one.

    Parameters
    ----------
    split
        "train", 50,000 images, or "test", 10,000.
    data_dir
        The folder to look in and to fetch into; see `gan.data.locations.data_root`.
    quiet
        Whether to hide the progress bar.
    timeout
        Seconds to wait for a connection, and for the next bytes.

    Returns
    -------
    ImageSet

    Raises
    ------
    DataError
        If the split is unknown, or the archive is not there and cannot be fetched.
    """
    if split not in FILES:
        raise DataError(f"split: expected one of {', '.join(FILES)}, got {split!r}; choose one")
    root = data_root(data_dir)
    for path in (root / NAME / ARCHIVE, root / ARCHIVE):
        found = _read_official(path, split)
        if found is not None:
            return found
    try:
        path = Mirrors(MIRRORS, timeout=timeout, quiet=quiet).fetch(
            ARCHIVE, f"md5:{MD5}", root / NAME
        )
    except FetchError as error:
        raise FetchError(
            f"{root / NAME / ARCHIVE}: expected the file of MD5 {MD5} there or from a mirror, got "
            f"neither ({error.reasons}); put it there, or name its folder with --data-dir",
            error.reasons,
        ) from None
    fetched = _read_official(path, split)
    if fetched is None:
        raise DataError(f"{path}: expected the archive just fetched, got another; start again")
    return fetched


def _read_official(path: Path, split: str) -> ImageSet | None:
    """The images in an archive; None, and a line on stderr, if its hash is another."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() == MD5:
                file.seek(0)
                return _read(file, path, split)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise DataError(
            f"{path}: expected a readable archive, got {problem.strerror or problem}; check its "
            "permissions"
        ) from None
    print(
        f"{NAME}: {path} is not the official archive (MD5 {digest.hexdigest()}); looking further",
        file=sys.stderr,
    )
    return None


def _read(file: IO[bytes], path: Path, split: str) -> ImageSet:
    """The images of a split in an archive whose hash is right."""
    files: dict[str, bytes] = {}
    with gzip.GzipFile(fileobj=file) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix(f"{INSIDE}/")
            content = tar.extractfile(member) if name in FILES[split] else None
            if content is not None:
                files[name] = content.read()
    missing = [name for name in FILES[split] if not files.get(name)]
    if missing:
        raise DataError(f"{path}: expected {missing[0]} in it, got none; fetch it again")
    n = sum(map(len, files.values())) // RECORD_BYTES
    images, labels = np.empty((n, *SHAPE), np.uint8), np.empty(n, np.int64)
    first = 0
    for name in FILES[split]:
        records = np.frombuffer(files.pop(name), np.uint8).reshape(-1, RECORD_BYTES)
        part = slice(first, first + len(records))
        labels[part], images[part] = records[:, 0], records[:, 1:].reshape(-1, *SHAPE)
        first = part.stop
    report = f"{NAME}: {n:,} images of 32 x 32 in colour; {len(CLASS_NAMES)} classes"
    return ImageSet(images, labels, CLASS_NAMES, report)
