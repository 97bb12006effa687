"""Finds a data set's official files by their SHA-256, and reads them."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan.data.fetch import FetchError, Mirrors
from gan.data.idx import read_idx
from gan.data.sources import SOURCES, Source
from gan.errors import DataError


class Mismatch(NamedTuple):
    """A file with an official name but other content."""

    path: Path
    content: str  # what the file holds instead
    is_official: bool  # whether it is an official file of another data set


def obtain(source: Source, file: str, folders: Sequence[Path], mirrors: Mirrors) -> Path:
    """Return the path of an official file, fetching it if no folder holds it.

    Parameters
    ----------
    source
        The data set.
    file
        The official name, which ends in .gz; the unpacked file is accepted if its hash is known.
    folders
        Where to look, in this order; a fetched file goes into the first.
    mirrors
        Where to fetch it from.

    Raises
    ------
    FetchError
        If the file is missing and no mirror provides it.
    DataError
        If no mirror provides it and a damaged file has its name.
    """
    mismatches = []
    for folder in folders:
        for name in (file, file.removesuffix(".gz")):
            digest = file_sha256(folder / name) if name in source.files else None
            if digest and digest == source.files[name]:
                return folder / name
            if digest:
                mismatches.append(identify(folder / name, digest))
    for path, content, is_official in mismatches:
        if source.mirrors and not is_official:
            print(
                f"{source.name}: {path} is not the official file ({content}); fetching it",
                file=sys.stderr,
            )
    try:
        return mirrors.fetch(file, source.files[file], folders[0])
    except FetchError as error:
        if not mismatches:
            raise
        mismatches.sort(key=lambda each: each.is_official)  # report a damaged file, if any
        path, content, is_official = mismatches[0]
        message = (
            f"{path}: expected {source.name}'s official file, got {content}; no mirror provides it "
            f"({error.reasons}); put it there, or name a folder that holds it with --data-dir"
        )
        raise (FetchError(message, error.reasons) if is_official else DataError(message)) from error


def holds_any(source: Source, prefix: str, folders: Sequence[Path]) -> bool:
    """Whether a folder holds an official file whose name starts with `prefix`."""
    names = [file for file in source.files if file.startswith(prefix)]
    return any(
        file_sha256(folder / name) == source.files[name] for folder in folders for name in names
    )


def read_official(source: Source, path: Path) -> np.ndarray:
    """Read an official file, hashing the very bytes that are parsed: the file may have changed."""
    with open(path, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != source.files[path.name]:
        raise DataError(
            f"{path}: expected {source.name}'s official file, got one that has just changed; "
            "start again"
        )
    try:
        return read_idx(content)
    except DataError as error:
        raise DataError(str(error).replace("<bytes>", str(path), 1)) from None


def file_sha256(path: Path) -> str | None:
    """The hexadecimal SHA-256 of a file, or None if there is no such file."""
    try:  # not pooch.file_hash: importing pooch takes longer than reading the data set
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable data file, got {error.strerror}; check the path and "
            "its permissions"
        ) from error


def identify(path: Path, digest: str) -> Mismatch:
    """Say what a file with an unexpected SHA-256 holds."""
    for source in SOURCES.values():
        if digest in source.files.values():
            return Mismatch(path, f"{source.name}'s file", True)
    try:
        array = read_idx(path)
    except DataError as error:
        return Mismatch(path, f"a damaged one: {str(error).removeprefix(f'{path}: ')}", False)
    content = (
        f"an intact IDX file, {array.dtype} {array.shape}, with another SHA-256 ({digest[:12]}...)"
    )
    return Mismatch(path, content, False)
