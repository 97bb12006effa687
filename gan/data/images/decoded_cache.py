"""Decoded images on disk, so that a second start need not decode again."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gan.data.images.decoding import OutputError, Wanted
from gan.data.images.report import Decoding
from nn.serialization.files import atomic_write

FORMAT = 1  # changes with the files below, or with what decoding makes of an image


class DecodedCache:
    """The decoded images of a folder or archive: PLACE-CONTENT.npy, and .json for the rest.

    PLACE is a hash of the path and of what images are turned into, CONTENT one of the names, sizes
    and times of the files. Only the newest content of a place is kept. The .json is written last.

    Parameters
    ----------
    folder
        Where the cache is; created if necessary.
    path
        The folder or archive of images.
    digest
        Of the names, sizes and times of its files.
    wanted
        What images are turned into.
    """

    def __init__(self, folder: Path, path: Path, digest: str, wanted: Wanted) -> None:
        place = _hash(f"{os.path.realpath(path)} {wanted}")
        self.folder, self.place = folder, place
        self.images = folder / f"{place}-{_hash(f'{FORMAT} {digest}')}.npy"
        self.rest = self.images.with_suffix(".json")

    def load(self) -> tuple[np.ndarray, Decoding] | None:
        """The images, memory-mapped read-only, and the rest; None unless both are there, whole."""
        try:
            stored = json.loads(self.rest.read_bytes())
            decoding = Decoding(
                skipped=[(name, reason) for name, reason in stored["skipped"]],
                others=Counter(stored["others"]),
                names=stored["names"],
                sizes=Counter({(width, height): n for width, height, n in stored["sizes"]}),
                shape=tuple(stored["shape"]),
            )
            images = np.load(self.images, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError, KeyError, TypeError):  # missing, or damaged
            return None
        if images.shape != decoding.shape or images.dtype != np.uint8:
            return None
        return np.asarray(images), decoding

    @contextmanager
    def writer(self) -> Iterator[BinaryIO]:
        """The file to write the .npy to; it appears at the end of the block.

        Raises
        ------
        OutputError
            If it cannot be written. An `OSError` in the block counts as such.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.images) as file:
                yield file
        except OSError as problem:
            raise OutputError(f"{self.folder}: {problem.strerror or problem}") from None

    def finish(self, decoding: Decoding) -> None:
        """Write the rest, and remove what the same folder was decoded to before it changed."""
        stored = {
            "skipped": decoding.skipped,
            "others": decoding.others,
            "names": decoding.names,
            "sizes": [(*size, n) for size, n in decoding.sizes.items()],
            "shape": decoding.shape,
        }
        try:
            with atomic_write(self.rest) as file:
                file.write(json.dumps(stored).encode())
        except OSError as problem:
            raise OutputError(f"{self.folder}: {problem.strerror or problem}") from None
        for path in self.folder.glob(f"{self.place}-*"):
            if path.stem != self.images.stem:
                with suppress(OSError):  # another process may have it open, or have removed it
                    path.unlink()


def _hash(text: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
