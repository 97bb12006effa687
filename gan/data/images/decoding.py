"""Decoding the image files of a folder or archive into one array, written as it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from statistics import median
from typing import BinaryIO

import numpy as np

from gan.data.images.image_files import BadImage, Decoded, Header, Target, decode, read_header
from gan.data.images.listing import ImageFile, Listing
from gan.data.images.parallel import parallel
from gan.data.images.report import Decoding, Skipped, name_skipped
from gan.errors import DataError

SIZES = (28, 32, 48, 64)  # pixels of a side that `default_size` chooses from
SAMPLE = 50  # images decoded to guess whether all are grey
MAX_SKIPPED = 0.1  # of all files: with more, something is wrong with the folder
ALIGNMENT = 64  # bytes, of the elements in a .npy

Progress = Callable[[int, int], None]


class OutputError(Exception):
    """The decoded images cannot be written; the message is the reason."""


@dataclass(frozen=True)
class Wanted:
    """What images are turned into: as `Target`, but None means "as the images are"."""

    size: int | None
    channels: int | None
    fit: str
    background: tuple[int, int, int]

    def target(self, size: int, channels: int) -> Target:
        return Target(size, channels, self.fit, self.background)


def decode_all(listing: Listing, wanted: Wanted, output: BinaryIO, progress: Progress) -> Decoding:
    """Decode all image files of a listing into a .npy of shape (N, C, H, W).

    Parameters
    ----------
    listing
        The files, at least one.
    wanted
        What they are turned into.
    output
        Empty, open for reading and writing.
    progress
        Called with the number of steps done and their total.

    Raises
    ------
    DataError
        If more than MAX_SKIPPED of the files cannot be read.
    OutputError
        If the output cannot be written.
    """
    scans = not (wanted.size and wanted.channels)
    total = len(listing.files) * (2 if scans else 1)
    skipped, files = list(listing.skipped), listing.files
    size, guesses = wanted.size or 0, [wanted.channels or 0]
    if scans:
        headers = []
        for header in parallel(_try_header, files):
            headers.append(header)
            progress(len(headers), total)
        size, guesses = _choose(files, headers, wanted)
        skipped += [(f.name, str(h)) for f, h in zip(files, headers) if isinstance(h, BadImage)]
        files = [f for f, h in zip(files, headers) if isinstance(h, Header)]
    n_files = len(listing.files) + len(listing.skipped)
    check_skipped(skipped, n_files)
    for channels in guesses:
        target = wanted.target(size, channels)
        done = Decoding(list(skipped), listing.others)
        finished = _decode(
            files,
            target,
            done,
            output,
            lambda n: progress(total - len(files) + n, total),
            only_grey=channels != guesses[-1],
        )
        if finished:
            break
    check_skipped(done.skipped, n_files)
    done.skipped.sort()
    return done


def check_skipped(skipped: Skipped, n_files: int) -> None:
    """Raise `DataError` if too many files cannot be read."""
    if len(skipped) > MAX_SKIPPED * n_files:
        raise DataError(
            f"expected at most one unreadable image file in ten, got {len(skipped):,} of "
            f"{n_files:,}: {name_skipped(skipped)}; remove or replace them"
        )


def default_size(short_sides: Sequence[int]) -> int:
    """The smallest of SIZES that is at least the median short side, or the largest."""
    middle = median(short_sides)
    return next((size for size in SIZES if size >= middle), SIZES[-1])


def _choose(
    files: Sequence[ImageFile], headers: Sequence[Header | BadImage], wanted: Wanted
) -> tuple[int, list[int]]:
    """The size, and the channels to try in turn: a grey image may be stored in colour."""
    good = [(f, h) for f, h in zip(files, headers) if isinstance(h, Header)]
    if not good:
        return SIZES[-1], [1]
    size = wanted.size or default_size([min(h.width, h.height) for _, h in good])
    if wanted.channels:
        return size, [wanted.channels]
    maybe_coloured = [f for f, h in good if not h.is_grey]
    step = max(1, len(maybe_coloured) // SAMPLE)
    decoded = parallel(partial(_try_decode, wanted.target(size, 1)), maybe_coloured[::step])
    all_grey = not any(isinstance(each, Decoded) and each.loses_colour for each in decoded)
    return size, [1, 3] if all_grey else [3]


def _decode(
    files: Sequence[ImageFile],
    target: Target,
    done: Decoding,
    output: BinaryIO,
    progress: Callable[[int], None],
    only_grey: bool,
) -> bool:
    """Decode files into the output; stops at a colour and returns False if `only_grey`."""
    image_shape = (target.channels, target.size, target.size)
    header = npy_header((len(files), *image_shape))
    output.seek(0)
    output.truncate()
    _write(output, header)
    for n, (file, image) in enumerate(zip(files, parallel(partial(_try_decode, target), files)), 1):
        if isinstance(image, BadImage):
            done.skipped.append((file.name, str(image)))
        elif only_grey and image.loses_colour:
            return False
        else:
            done.names.append(file.name)
            done.sizes[image.header[:2]] += 1
            _write(output, image.pixels.tobytes())
        progress(n)
    output.seek(0)
    done.shape = (len(done.names), *image_shape)
    _write(output, npy_header(done.shape, len(header)))
    return True


def npy_header(shape: tuple[int, ...], length: int = 0) -> bytes:
    """The beginning of a .npy of uint8, padded by spaces to a length."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    start = np.lib.format.magic(1, 0)
    length = length or ceil((len(start) + 2 + len(text) + 1) / ALIGNMENT) * ALIGNMENT
    n_left = length - len(start) - 2
    return start + n_left.to_bytes(2, "little") + text.ljust(n_left - 1).encode() + b"\n"


def _write(output: BinaryIO, data: bytes) -> None:
    """Write to the output."""
    try:
        output.write(data)
    except OSError as problem:
        raise OutputError(problem.strerror or str(problem)) from None


def _try_header(file: ImageFile) -> Header | BadImage:
    """The header of an image file, or why it cannot be used."""
    try:
        return read_header(file.open)
    except BadImage as problem:
        return problem


def _try_decode(target: Target, file: ImageFile) -> Decoded | BadImage:
    """The decoded image file, or why it cannot be used."""
    try:
        return decode(file.open, target)
    except BadImage as problem:
        return problem
