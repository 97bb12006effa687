"""What was made of a folder of images, in one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MAX_NAMED = 10  # files named in a message
FITTED = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}

Skipped = list[tuple[str, str]]


@dataclass
class Decoding:
    """What was decoded.

    Parameters
    ----------
    skipped : (name, reason) of files that could not be read
    others : number of files without the ending of an image, by ending
    names : of the image files, in the order of the images
    sizes : number of image files by (width, height)
    shape : (N, C, H, W) of the images
    """

    skipped: Skipped
    others: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    shape: tuple[int, ...] = ()

    def in_words(self, fit: str) -> str:
        """ "1,000 images of 3 sizes, 40 x 30 to 80 x 60, cropped to 32 x 32 in colour; ..." """
        n, channels, height, width = self.shape
        smallest, largest = (
            f"{w:,} x {h:,}" for w, h in (min(self.sizes, key=area), max(self.sizes, key=area))
        )
        if len(self.sizes) > 1:
            text = f"{n:,} images of {len(self.sizes):,} sizes, {smallest} to {largest}"
        else:
            text = f"{n:,} image{'s' if n > 1 else ''} of {smallest}"
        if set(self.sizes) != {(width, height)}:
            text += f", {FITTED[fit]} to {width} x {height}"
        text += " in colour" if channels == 3 else " in grey"
        if self.skipped:
            text += f"; skipped {len(self.skipped):,} unreadable: {name_skipped(self.skipped)}"
        if self.others:
            text += f"; ignored {name_others(self.others)}"
        return text


def area(size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Sorts sizes by their number of pixels."""
    return size[0] * size[1], size


def name_skipped(skipped: Skipped) -> str:
    """Files and the reason for each, up to MAX_NAMED, then a count."""
    named = [f"{name} ({reason})" for name, reason in skipped[:MAX_NAMED]]
    more = len(skipped) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def name_others(others: Counter[str]) -> str:
    """The number of other files and their most common endings."""
    n = others.total()
    endings = ", ".join(ending for ending, _ in others.most_common(MAX_NAMED))
    return f"{n:,} other file{'s' if n > 1 else ''} ({endings})"


def printable(text: str) -> str:
    """The text as one line for any terminal: other characters and invalid UTF-8 are escaped."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
