"""Image sets from folders and archives of image files."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ImageColor

from gan.data.images.decoded_cache import DecodedCache
from gan.data.images.decoding import OutputError, Progress, Wanted, decode_all
from gan.data.images.image_archives import open_archive
from gan.data.images.image_files import FITS
from gan.data.images.image_folders import FolderImages
from gan.data.images.image_set import MIN_SIDE, ImageSet
from gan.data.images.listing import ENDINGS, ImageSource, Listing
from gan.data.images.pillow_warnings import no_warnings
from gan.data.images.report import MAX_NAMED, Decoding, name_others, name_skipped, printable
from gan.data.locations import data_root
from gan.errors import DataError

MAX_SIDE = 1_024  # pixels that images may be scaled to
CACHE = "decoded"  # in the folder of all data sets


def from_folder(
    path: str | os.PathLike[str],
    *,
    size: int | None = None,
    channels: int | None = None,
    fit: str = "crop",
    labels: str | None = None,
    background: str | tuple[int, int, int] = "black",
    subfolder: str = "",
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Read the images in a folder, or in a .zip or .tar of a folder.

    PNG, JPEG, WebP, BMP and the first frame of GIF are read, in folders at any depth, in the order
    of their names. Files that cannot be read are skipped and named in the set's report. Hidden
    files are ignored. Archives are never unpacked to disk.

    The decoded images are kept in `cache_dir` and read from there until the name, size or time of
    a file changes. If it cannot be written, they are kept in memory.

    Parameters
    ----------
    path
        The folder or archive.
    size
        Pixels of a side. By default the smallest of 28, 32, 48 and 64 that is at least the median
        of the images' shorter sides, or 64.
    channels
        1 or 3. By default 1 if all images are grey.
    fit
        How images become square: "crop" at the centre, "pad" with the background, or "stretch".
    labels
        "folders" makes each folder at the first level a class.
    background
        A colour, by name, as "#rrggbb" or as (red, green, blue), for transparent pixels and
        padding.
    subfolder
        The folder below `path` whose images to read, such as "train"; all images by default.
    progress
        Called with the number of steps done and their total.
    cache_dir
        By default `decoded` in `gan.data.locations.data_root`.

    Returns
    -------
    ImageSet

    Raises
    ------
    DataError
        If an argument is invalid, the path cannot be read or holds no images, more than one file
        in ten cannot be read, or there are no two classes.
    """
    path = Path(path).expanduser()
    wanted = _wanted(size, channels, fit, background)
    if labels not in (None, "folders"):
        raise DataError(f"labels: expected None or 'folders', got {labels!r}; choose one of them")
    folder = data_root() / CACHE if cache_dir is None else Path(cache_dir).expanduser()
    with _open(path) as source:
        cache = DecodedCache(folder, path / subfolder, source.digest, wanted)
        loaded, note = cache.load(), ""
        if loaded is None:
            listing = source.listing()
            if subfolder:
                listing = _below(listing, subfolder, path)
            loaded, note = _decode(path, listing, wanted, cache, progress or _ignore)
    images, decoding = loaded
    path = path / subfolder
    report = f"{path}: {decoding.in_words(fit)}{note}"
    if labels:
        numbers, names = _classes(path, decoding)
        return ImageSet(images, numbers, names, printable(f"{report}; {len(names)} classes"))
    return ImageSet(images, report=printable(report + _hint(decoding)))


@contextmanager
def _open(path: Path) -> Iterator[ImageSource]:
    """The folder or archive at a path."""
    if not os.path.lexists(path):
        raise DataError(
            f"{path}: expected a folder, .zip or .tar of images, got no such file; check the path"
        )
    if path.is_dir():
        yield FolderImages(path)
    else:
        with open_archive(path) as archive:
            yield archive


def _below(listing: Listing, subfolder: str, path: Path) -> Listing:
    """The part of a listing below a folder; `DataError` if it holds no images."""
    below = listing.below(subfolder)
    if not below.files:
        tops = sorted({file.name.partition("/")[0] for file in listing.files if "/" in file.name})
        found = ", ".join(tops[:MAX_NAMED]) if tops else "no folders of images"
        raise DataError(
            printable(
                f"{path}: expected images in the folder {subfolder} of it, got {found}; name the "
                f"folder or archive that holds {subfolder}"
            )
        )
    return below


def _decode(
    path: Path, listing: Listing, wanted: Wanted, cache: DecodedCache, progress: Progress
) -> tuple[tuple[np.ndarray, Decoding], str]:
    """Decode into the cache, or, if it cannot be written, into memory with a note that says so."""
    try:
        if not listing.files:
            raise DataError(_no_images(listing))
        with no_warnings():
            try:
                with cache.writer() as file:
                    decoding = decode_all(listing, wanted, file, progress)
                cache.finish(decoding)
                loaded = cache.load()
                if loaded is None:
                    raise OutputError(f"{cache.folder}: changed by another process")
                return loaded, ""
            except OutputError as problem:
                memory = io.BytesIO()
                decoding = decode_all(listing, wanted, memory, progress)
                n_bytes = np.prod(decoding.shape)
                images = np.frombuffer(memory.getbuffer(), np.uint8)[-n_bytes:]
                return (images.reshape(decoding.shape), decoding), f"; not cached ({problem})"
    except DataError as problem:
        raise DataError(f"{path}: {problem}") from None


def _wanted(size: object, channels: object, fit: str, background: object) -> Wanted:
    """The arguments, checked."""
    if size is not None and not (isinstance(size, int) and MIN_SIDE <= size <= MAX_SIDE):
        raise DataError(
            f"size: expected {MIN_SIDE} to {MAX_SIDE:,} pixels, got {size!r}; 32 or 64 suit most"
        )
    if channels not in (None, 1, 3):
        raise DataError(f"channels: expected 1 or 3, got {channels!r}; 1 is grey, 3 is colour")
    if fit not in FITS:
        raise DataError(f"fit: expected one of {', '.join(FITS)}, got {fit!r}; choose one of them")
    try:
        colour = ImageColor.getrgb(background) if isinstance(background, str) else background
        red, green, blue = (int(value) for value in colour)  # type: ignore[attr-defined]
        if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
            raise ValueError
    except (TypeError, ValueError):
        raise DataError(
            "background: expected a colour such as 'white', '#ff8000' or (255, 128, 0), got "
            f"{background!r}; name another"
        ) from None
    return Wanted(size, channels, fit, (red, green, blue))


def _classes(path: Path, decoding: Decoding) -> tuple[np.ndarray, tuple[str, ...]]:
    """The label of each image, and the class names: the folders at the first level."""
    folders = [name.rpartition("/")[0].partition("/")[0] for name in decoding.names]
    outside = [(name, "in no folder") for name, top in zip(decoding.names, folders) if not top]
    if outside:
        raise DataError(
            f"{path}: expected each image in the folder of its class, got {len(outside):,} "
            f"elsewhere: {name_skipped(outside)}; move them, or do without labels"
        )
    names, numbers = np.unique(np.array(folders, object), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{path}: expected a folder for each of at least two classes, got only {names[0]!r}; "
            "do without labels"
        )
    return numbers.astype(np.int64), tuple(printable(name) for name in names)


def _hint(decoding: Decoding) -> str:
    """A note about folders that look like classes."""
    folders = {name.partition("/")[0] for name in decoding.names if "/" in name}
    if len(folders) < 2 or any("/" not in name for name in decoding.names):
        return ""
    return (
        f"; no labels: its {len(folders):,} folders become classes with --labels folders, or "
        "labels='folders' in Python"
    )


def _no_images(listing: Listing) -> str:
    """The error for a folder without images."""
    expected = f"expected images ({', '.join(ENDINGS)})"
    if listing.skipped:
        return (
            f"{expected}, got none that can be opened: {name_skipped(listing.skipped)}; check them"
        )
    others = name_others(listing.others) if listing.others else "no files"
    return f"{expected}, got {others}; name the folder that holds the images"


def _ignore(done: int, total: int) -> None:
    """Show no progress."""
