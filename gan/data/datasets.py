"""MNIST and data sets in its format: from a folder, from a mirror, or from the bundled sample.

A file of the data set NAME is looked for under the folder ROOT (see
`gan.data.locations.data_root`) as

    ROOT/NAME/FILE    where fetched files go: data sets share file names, so each has its own folder
    ROOT/FILE         a file of the user's own, which is only read

The first file with the official SHA-256 is read, offline. MNIST's unpacked files (FILE without
.gz) are known too. A file with the right name and another hash is never read. It is reported on
stderr, unless it is the official file of another data set, and the official file is fetched into
ROOT/NAME.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from gan.data.fetch import CONNECT_SECONDS, READ_SECONDS, FetchError, Mirrors
from gan.data.locations import data_root, sample_folder
from gan.data.official import holds_any, obtain, read_official
from gan.data.sources import SOURCES, Source
from gan.errors import DataError

PREFIXES = {"train": "train", "test": "t10k"}  # of the official file names


def load(
    name: str | Source,
    split: str = "train",
    *,
    data_dir: str | os.PathLike[str] | None = None,
    flat: bool = True,
    quiet: bool = False,
    timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
) -> tuple[np.ndarray, np.ndarray]:
    """Load the images and labels of one split, fetching them first if necessary.

    If no mirror provides MNIST and none of its files is there, the bundled sample is used instead,
    and a line on stderr says so. A `data_dir` that does not exist, one file without the other, and
    a damaged file are errors.

    Parameters
    ----------
    name
        A key of `SOURCES`, or a `Source`.
    split
        "train" or "test".
    data_dir
        The folder to look in and to fetch into; see `data_root` for the default.
    flat
        Whether images are flattened.
    quiet
        Whether to hide the progress bar.
    timeout
        Seconds to wait for a connection, and for the next bytes.

    Returns
    -------
    images : uint8 (N, 784), or (N, 1, 28, 28) unless `flat`
        0 is background, 255 ink. Training scales each batch.
    labels : uint8 (N,)

    Raises
    ------
    DataError
        If the name or split is unknown, or a file that is missing, damaged or of another data set
        cannot be fetched; the message names the file.
    """
    source = _find(name)
    if split not in PREFIXES:
        raise DataError(f"split: expected one of {', '.join(PREFIXES)}, got {split!r}")
    if source.bundled and not data_dir:
        folders, mistyped = [sample_folder()], False
    else:
        root = data_root(data_dir)
        folders, mistyped = [root / source.name, root], bool(data_dir) and not root.is_dir()
    mirrors = Mirrors(source.mirrors, timeout=timeout, quiet=quiet)
    files = (f"{PREFIXES[split]}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    try:
        images_path, labels_path = (obtain(source, file, folders, mirrors) for file in files)
    except FetchError as error:
        if mistyped or not source.fallback or holds_any(source, PREFIXES[split], folders):
            raise
        reasons = error.reasons
    else:
        return _read(source, images_path, labels_path, flat)
    images, labels = load(source.fallback, split, flat=flat)
    print(
        f"{source.name}: no mirror provides it ({reasons}); using the bundled sample of "
        f"{len(images):,} {split} images. For the full set put its four .gz files into "
        f"{folders[0]}, or name their folder with --data-dir.",
        file=sys.stderr,
    )
    return images, labels


def _find(name: str | Source) -> Source:
    """The data set of that name."""
    if isinstance(name, Source):
        return name
    if name not in SOURCES:
        raise DataError(f"data set: expected one of {', '.join(SOURCES)}, got {name!r}")
    return SOURCES[name]


def _read(
    source: Source, images_path: Path, labels_path: Path, flat: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Read both official files and check that they belong together."""
    images, labels = (read_official(source, path) for path in (images_path, labels_path))
    if images.dtype != "uint8" or images.shape[1:] != (28, 28):
        raise DataError(
            f"{images_path}: expected uint8 images (N, 28, 28), got {images.dtype} {images.shape}; "
            "use a data set in MNIST's format"
        )
    if labels.dtype != "uint8" or labels.shape != (len(images),):
        raise DataError(
            f"{labels_path}: expected one uint8 label for each of the {len(images)} images in "
            f"{images_path}, got {labels.dtype} {labels.shape}; take both files from one data "
            "set and split"
        )
    return images.reshape((-1, 784) if flat else (-1, 1, 28, 28)), labels
