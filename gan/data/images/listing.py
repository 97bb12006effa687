"""The image files of a folder or archive, by name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from gan.data.images.image_files import Opener

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif")
MAC_TWINS = "__MACOSX"  # where macOS puts a twin, which is no image, of each file of a zip


class ImageFile(NamedTuple):
    """An image file: its name below the folder, "/" between the parts, and how to open it."""

    name: str
    open: Opener


@dataclass
class Listing:
    """What a folder or archive holds.

    Parameters
    ----------
    files : those with the ending of an image
    skipped : (name, reason) of those that cannot be opened
    others : the number of other files by ending
    """

    files: list[ImageFile] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def accepts(self, name: str) -> bool:
        """Whether a file is an image by its name; counts the others that are not hidden."""
        parts = name.split("/")
        if any(is_hidden(part) for part in parts):
            return False
        ending = PurePosixPath(parts[-1]).suffix.lower()
        if ending not in ENDINGS:
            self.others[ending or "no ending"] += 1
        return ending in ENDINGS

    def sort(self) -> Listing:
        """Sort the files by the parts of their names."""
        self.files.sort(key=lambda file: file.name.split("/"))
        return self

    def below(self, folder: str) -> Listing:
        """The files in a folder and below it, with their names from there on."""
        start = folder.strip("/") + "/"
        files = [file for file in self.files if file.name.startswith(start)]
        skipped = [(name, reason) for name, reason in self.skipped if name.startswith(start)]
        return Listing(
            [file._replace(name=file.name.removeprefix(start)) for file in files],
            [(name.removeprefix(start), reason) for name, reason in skipped],
        )


class ImageSource(Protocol):
    """A folder or archive of images; `digest` changes with its files' names, sizes and times."""

    digest: str

    def listing(self) -> Listing:
        """The files in order of their names."""


def is_hidden(part: str) -> bool:
    """Whether a part of a file's name hides the file."""
    return part.startswith(".") and part != ".." or part == MAC_TWINS
