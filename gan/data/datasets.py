"""MNIST and the data sets made in its shape, from a folder, from a mirror, or from the sample in this repository.

Where a file is looked for, under the folder ROOT (see `data_root`), for the data set NAME:

    ROOT/NAME/FILE    where a fetched file goes: the data sets share their file names, so each has its own folder
    ROOT/FILE         where it lies in a folder of the user's own; this one is read and never written

The SHA-256 decides: the first of these that has the hash of NAME's official file is read, without the network. MNIST's
unpacked files (FILE without .gz) are known too. Any other file of this name is never read: unless it is the official
file of another data set it is named on stderr, and the right one is fetched into ROOT/NAME.
"""

import hashlib
import os
import sys
from pathlib import Path

from gan.data.fetch import CONNECT_SECONDS, READ_SECONDS, FetchError, Mirrors
from gan.data.idx import read_idx
from gan.data.sources import SOURCES, Source
from gan.errors import DataError

PREFIXES = {"train": "train", "test": "t10k"}  # the official files' word for each split
CHECKOUT_DATA = Path(__file__).resolve().parent.parent.parent / "data"


def load(name, split="train", *, data_dir=None, flat=True, quiet=False, timeout=(CONNECT_SECONDS, READ_SECONDS)):
    """Images and labels of one split, fetched first if they are not there.

    name: a key of SOURCES, or a Source. split: "train" or "test". data_dir: the folder to look and to fetch in.
    flat: (N, 784), else (N, 1, 28, 28). quiet: no progress bar. timeout: seconds to connect, and to wait for bytes.
    -> images uint8 of that shape, 0 background to 255 ink; labels uint8 (N,). Training scales per batch.

    When no mirror gives MNIST and no file of it is there, the bundled sample stands in, and one line on stderr says so; but
    never for a `data_dir` that does not exist, for one file without the other, or for a spoiled file: these are errors.
    Errors: DataError for an unknown name or split and, naming the file, for one that is missing, spoiled or of another
    data set, and cannot be fetched.
    """
    source = _find(name)
    if split not in PREFIXES:
        raise DataError(f"split: expected one of {', '.join(PREFIXES)}, got {split!r}")
    root = CHECKOUT_DATA if source.bundled and not data_dir else data_root(data_dir)
    mistyped = data_dir and not root.is_dir()
    mirrors = Mirrors(source.mirrors, timeout=timeout, quiet=quiet)
    try:
        paths = [
            _obtain(source, f"{PREFIXES[split]}-{kind}-ubyte.gz", root, mirrors) for kind in ("images-idx3", "labels-idx1")
        ]
    except FetchError as error:
        if mistyped or not source.fallback or not (CHECKOUT_DATA / source.fallback).is_dir() or _holds(root, source, split):
            raise
        reasons = error.reasons
    else:
        return _read(source, *paths, flat)
    images, labels = load(source.fallback, split, flat=flat)
    print(
        f"{source.name}: no mirror gave it ({reasons}); using the bundled sample of {len(images):,} {split} images. "
        f"For the full set put its four .gz files into {root / source.name}, or name their folder with --data-dir.",
        file=sys.stderr,
    )
    return images, labels


def data_root(data_dir=None):
    """The folder to look in: `data_dir`, else BYHAND_DATA_DIR, else data/ of the checkout, else the user's cache."""
    given = data_dir or os.environ.get("BYHAND_DATA_DIR")
    if given:
        root = Path(given).expanduser()
        if root.exists() and not root.is_dir():
            raise DataError(f"{root}: expected a folder of data files, got a file; name the folder that it lies in")
        return root
    if (CHECKOUT_DATA / "mnist-sample").is_dir():  # site-packages may have a data/ of somebody else's
        return CHECKOUT_DATA
    import pooch  # here, not above: nothing else on the way to a cached file needs it

    return Path(pooch.os_cache("byhand"))


def _find(name):
    if isinstance(name, Source):
        return name
    if name not in SOURCES:
        raise DataError(f"data set: expected one of {', '.join(SOURCES)}, got {name!r}")
    return SOURCES[name]


def _obtain(source, file, root, mirrors):
    """-> the path of the official `file`, fetched if need be.

    Errors: FetchError if it is not there and no mirror gives it; plain DataError if a spoiled one lies in its place.
    """
    found = []  # (path, what it is instead, whether that is another data set's official file)
    for folder in (root / source.name, root):
        for known in (file, file.removesuffix(".gz")):
            digest = _sha256(folder / known) if known in source.files else None
            if digest and digest == source.files[known]:
                return folder / known
            if digest:
                found.append((folder / known, *_identify(folder / known, digest)))
    for path, what, official in found:
        if source.mirrors and not official:
            print(f"{source.name}: {path} is not the official file ({what}); fetching the right one", file=sys.stderr)
    try:
        return mirrors.fetch(file, source.files[file], root / source.name)
    except FetchError as error:
        if not found:
            raise
        path, what, official = min(found, key=lambda each: each[2])  # a spoiled one, if there is one
        message = (
            f"{path}: expected {source.name}'s official file, got {what}; and no mirror gave the right one "
            f"({error.reasons}); put the right one there, or name a folder that holds it with --data-dir"
        )
        raise (FetchError(message, error.reasons) if official else DataError(message)) from error


def _read_official(source, path):
    """The array of an official file; only bytes that have been hashed are read, whoever may write into the folder."""
    with open(path, "rb") as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != source.files[os.path.basename(path)]:
        raise DataError(f"{path}: expected {source.name}'s official file, got one that has changed just now; start again")
    try:
        return read_idx(content)
    except DataError as error:
        raise DataError(str(error).replace("<bytes>", str(path), 1)) from None


def _holds(root, source, split):
    """Whether an official file of this split is there."""
    names = [file for file in source.files if file.startswith(PREFIXES[split])]
    return any(_sha256(folder / file) == source.files[file] for folder in (root / source.name, root) for file in names)


def _sha256(path):
    """-> hexadecimal digest, or None if there is no such file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(
            f"{path}: expected a data file that can be read, got {error.strerror}; check what the path "
            "names and its permissions"
        ) from error


def _identify(path, digest):
    """What a file with a wrong hash is instead -> (words, whether it is another data set's official file)."""
    for source in SOURCES.values():
        if digest in source.files.values():
            return f"{source.name}'s file", True
    try:
        array = read_idx(path)
    except DataError as error:
        return f"a spoiled one: {str(error).removeprefix(f'{path}: ')}", False
    return f"a sound IDX file, {array.dtype} {array.shape}, of another SHA-256 ({digest[:12]}...)", False


def _read(source, images_path, labels_path, flat):
    images, labels = (_read_official(source, path) for path in (images_path, labels_path))
    if images.dtype != "uint8" or images.shape[1:] != (28, 28):
        raise DataError(
            f"{images_path}: expected images uint8 (N, 28, 28), got {images.dtype} {images.shape}; "
            "use a data set in MNIST's format"
        )
    if labels.dtype != "uint8" or labels.shape != (len(images),):
        raise DataError(
            f"{labels_path}: expected one uint8 label for each of the {len(images)} images in "
            f"{images_path}, got {labels.dtype} {labels.shape}; take both files from one data set and split"
        )
    return images.reshape((-1, 784) if flat else (-1, 1, 28, 28)), labels
