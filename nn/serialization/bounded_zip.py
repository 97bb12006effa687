"""Zip files from untrusted sources, read with bounded memory."""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MAX_LIST_BYTES = 1_000_000  # of the list of members, which is read before anything is checked
# Others may need more memory than the list of members says.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_zip(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Open a zip file with few members, of different names, packed as `numpy.savez` packs them.

    Raises
    ------
    zipfile.BadZipFile
        For any other file.
    """
    with BoundedReads(path) as source, zipfile.ZipFile(source) as file:
        source.limit = None
        names = Counter(member.filename for member in file.infolist())
        for name, count in names.most_common(1):
            if count > 1:
                raise zipfile.BadZipFile(f"{name!r} occurs twice")
        if any(member.compress_type not in METHODS for member in file.infolist()):
            raise zipfile.BadZipFile("it is packed by an unsupported method")
        yield file


class BoundedReads(io.FileIO):
    """A file that reads at most `limit` bytes at once; None removes the limit."""

    limit: int | None = MAX_LIST_BYTES

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        if self.limit is not None and size > self.limit:
            raise zipfile.BadZipFile(
                f"expected a list of members of at most {self.limit:,} bytes, got {size:,}"
            )
        return super().read(self.limit if size < 0 and self.limit is not None else size)
