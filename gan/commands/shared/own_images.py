"""Training images other than MNIST's: the options of `byhand train --data`, and reading them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gan.commands.shared.command_line import Parser, one_of, positive_int
from gan.commands.shared.early_stopping import split_dataset
from gan.commands.shared.progress import TIME_FORMAT
from gan.data.images.arrays import from_array, is_array_file
from gan.data.images.cifar10 import cifar10
from gan.data.images.folder import CACHE, from_folder
from gan.data.images.image_files import FITS
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.description import MAX_CLASSES
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import DEFAULT, RECIPES
from gan.runs.checkpoint import Checkpoint
from gan.runs.resume import check_data
from gan.runs.settings import SOURCE


def add_own_images(parser: Parser) -> None:
    """Add the options that say how the images of --data are read."""
    add = parser.add_argument
    add(
        "--size",
        type=positive_int,
        metavar="N",
        help="with --data, scale images to N x N pixels (default: the smallest of 28, 32, 48, 64 "
        "that is at least their median shorter side, or 64)",
    )
    add(
        "--channels",
        type=int,
        choices=(1, 3),
        help="with --data, make images grey, 1, or colour, 3 (default: as they are)",
    )
    add(
        "--fit",
        type=one_of(FITS),
        metavar="HOW",
        help=f"with --data, make images square by one of {', '.join(FITS)} (default: crop)",
    )
    add(
        "--labels",
        type=one_of(("folders",)),
        metavar="folders",
        help="with --data, take the folders at the first level as classes",
    )
    add(
        "--background",
        metavar="COLOUR",
        help="with --data, lay transparent images on this colour, which also pads (default: black)",
    )


def own_images(
    path: str, options: Mapping[str, Any], data_dir: str | None, quiet: bool
) -> ImageSet:
    """Read the images at a path.

    Parameters
    ----------
    path
        A folder, .zip or .tar of image files, a .npy or an .npz.
    options
        Those of `add_own_images` by name; None for those that were not given.
    data_dir
        The folder of the cache of decoded images; None for the default.
    quiet
        Whether to hide the progress bar.

    Raises
    ------
    DataError, RunError
        If the images cannot be read, or an option is not for them.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if is_array_file(path):
        for name in given:
            raise RunError(
                f"--{name}: expected a folder or archive of image files with it, got {path}, whose "
                f"images are taken as they are; do without --{name}"
            )
        return from_array(path)
    with tqdm(desc="decoding", bar_format=TIME_FORMAT, disable=quiet, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        cache_dir = None if data_dir is None else Path(data_dir, CACHE)
        return from_folder(path, progress=progress, cache_dir=cache_dir, **given)


def image_split(
    args: Namespace, config: dict[str, Any], checkpoint: Checkpoint | None
) -> tuple[Split, str | None]:
    """Read CIFAR-10 or the user's own images; also returns where they are, for a resumed run.

    Of the user's own images some are held out of training, unless the run to resume was trained on
    all. CIFAR-10 has test images; only --validation and --patience hold others out.

    Raises
    ------
    DataError, RunError
        If they cannot be read, or are not those of the run to resume.
    """
    kept = checkpoint.data_dir if checkpoint else None
    if config["dataset"]:
        data_dir = args.data_dir or kept
        images = cifar10(data_dir=data_dir, quiet=args.quiet)
        check_data(checkpoint, images.digest)
        return split_dataset(images, config, is_new=checkpoint is None), data_dir
    path = args.data or kept or config["source"]["name"]
    how = {name: config["source"][name] for name in SOURCE}
    images = own_images(path, how, args.data_dir, args.quiet)
    check_data(checkpoint, images.digest, path)
    if checkpoint and not checkpoint.config.get("held_out"):
        return Split(images), path
    return Split.of(images), path


def name_of_data(config: Mapping[str, Any]) -> str:
    """The name of the training images."""
    return config["dataset"] or config["source"]["name"]


def fitted(recipe: Recipe, images: ImageSet) -> Recipe:
    """The recipe with networks for the images, and for their classes if it has classes."""
    recipe = recipe.for_images(images.image_shape)
    if not recipe.classes:
        return recipe
    if images.class_names is None:
        raise RunError(
            f"recipe {recipe.name}: expected images with classes, got none; give them with "
            f"--labels folders, or take another recipe, such as {DEFAULT}"
        )
    if len(images.class_names) > MAX_CLASSES:
        raise RunError(
            f"recipe {recipe.name}: expected at most {MAX_CLASSES:,} classes, got "
            f"{len(images.class_names):,}; take another recipe, such as {DEFAULT}"
        )
    return replace(recipe, classes=len(images.class_names))


def unused_classes(recipe: Recipe, images: ImageSet) -> str:
    """A line that names the recipes with classes, if the images have some and the recipe none."""
    if images.class_names is None or recipe.classes:
        return ""
    others = [each.name for each in RECIPES.values() if each.classes and each.make_networks]
    return (
        f"{recipe.name} learns no classes; to draw images by class, take --recipe "
        f"{' or '.join(others)}"
    )
