"""The images that a generator was trained on, if they are on this machine; nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.data.datasets import load
from gan.data.images.arrays import from_array, is_array_file
from gan.data.images.folder import from_folder
from gan.data.images.image_set import ImageSet
from gan.data.locations import data_root
from gan.data.official import holds_any
from gan.data.sources import SOURCES
from gan.description import Description
from gan.errors import RunError
from gan.images import as_pictures
from gan.runs.checkpoint import NAME, read_checkpoint
from gan.runs.settings import SOURCE
from nn import ByhandError


def training_images(description: Description, run: Path | None) -> tuple[np.ndarray, str]:
    """Load the training images of a generator.

    Parameters
    ----------
    description
        Of the generator.
    run
        The folder of its run, whose checkpoint says where its images are; None for weights that
        come with the package.

    Returns
    -------
    images : uint8 (N, H, W) or (N, H, W, 3)
    name : what they are

    Raises
    ------
    RunError
        If they are not on this machine; the message says why.
    """
    dataset, data_dir, how = description.training.get("dataset", "mnist"), None, None
    if run is not None:
        try:
            checkpoint = read_checkpoint(run / NAME)
        except (OSError, ByhandError):
            raise RunError(
                f"{run.name}: expected a checkpoint, which says where its images are, got none"
            ) from None
        data_dir, how = checkpoint.data_dir, checkpoint.config.get("source")
    if how is not None:
        path = data_dir or how["name"]
        found = own_images(path, {name: how[name] for name in SOURCE})
        return as_pictures(np.asarray(found.images), found.image_shape), Path(path).name
    if dataset not in SOURCES:
        raise RunError(f"data set: expected one of {', '.join(SOURCES)}, got {dataset!r:.80}")
    source = SOURCES[dataset]
    root = data_root(data_dir)
    if not source.bundled and not holds_any(source, "train", [root / source.name, root]):
        if not source.fallback:
            raise RunError(
                f"{dataset}: expected its files on this machine, got none; `byhand train "
                f"--dataset {dataset}` fetches them"
            )
        dataset, data_dir = source.fallback, None
    images, _ = load(dataset, "train", data_dir=data_dir, flat=False, quiet=True)
    return images[:, 0], dataset


def own_images(path: str, how: dict[str, object]) -> ImageSet:
    """The user's own images, read as their run read them.

    Parameters
    ----------
    path
        Where a run says that they are.
    how
        Its options, SOURCE by name.

    Raises
    ------
    RunError
        If they cannot be read.
    """
    given = {name: value for name, value in how.items() if value is not None}
    try:
        if is_array_file(path):
            return from_array(path)
        return from_folder(path, **given)  # type: ignore[arg-type]
    except ByhandError as problem:
        raise RunError(str(problem)) from None
