"""Training images other than MNIST's: reading them, and fitting a recipe to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from gan.data.images.arrays import from_array, is_array_file
from gan.data.images.cifar10 import cifar10
from gan.data.images.folder import CACHE, from_folder
from gan.data.images.image_set import ImageSet
from gan.data.images.split import Split
from gan.description import MAX_CLASSES
from gan.errors import RunError
from gan.recipe import Recipe
from gan.recipes import DEFAULT, RECIPES
from gan.runs.checkpoint import Checkpoint
from gan.runs.resume import check_data
from gan.runs.settings import SOURCE
from gan.runs.starting.holding_out import split_dataset

# Of 1,600 images in 200 clusters, 24% were in clusters of fewer than 8. Of 200 samples, 38 were
# nearer than 30 grey levels to a training image; for 37 of them it was of such a cluster.
PER_CLUSTER = 50  # images
# Digits vary less. Of a run on 8,308 of them in 400 clusters, the median distance of samples to the
# nearest was 41.1 grey levels, that of other digits 43.7.
DIGITS_PER_CLUSTER = 25
LEAST_CLUSTERS = 10
BAR = "{l_bar}{bar}| {elapsed}<{remaining}"


class Places(Protocol):
    """Where the data of a run are; the options of `byhand train` fit.

    Attributes
    ----------
    data
        The path of the user's own data, or None.
    data_dir
        The folder of data files, or None for the default.
    quiet
        Whether to hide progress bars.
    """

    data: str | None
    data_dir: str | None
    quiet: bool


def own_images(
    path: str, options: Mapping[str, Any], data_dir: str | None, quiet: bool
) -> ImageSet:
    """Read the images at a path.

    Parameters
    ----------
    path
        A folder, .zip or .tar of image files, a .npy or an .npz.
    options
        Those of `SOURCE` by name; None for those that were not given.
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
    with tqdm(desc="decoding", bar_format=BAR, disable=quiet, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        cache_dir = None if data_dir is None else Path(data_dir, CACHE)
        return from_folder(path, progress=progress, cache_dir=cache_dir, **given)


def image_split(
    args: Places, config: dict[str, Any], checkpoint: Checkpoint | None
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


def with_clusters(
    recipe: Recipe,
    n_images: int,
    config: dict[str, Any],
    *,
    is_new: bool,
    per_cluster: int = PER_CLUSTER,
) -> Recipe:
    """A recipe with clusters, with fewer of them for few images; other recipes as they are.

    The generator copies the images of a cluster that has only some. The number of clusters, or of
    those of each class, is written into the settings of a new run; runs of earlier versions have as
    many as the recipe.
    """
    if not recipe.clusters:
        return recipe
    if is_new:
        fitting = max(LEAST_CLUSTERS, n_images // per_cluster)
        of_each = max(1, min(fitting, MAX_CLASSES) // max(1, recipe.classes))
        config["clusters"] = min(recipe.clusters, of_each)
    clusters = config.get("clusters", recipe.clusters)
    if not isinstance(clusters, int) or not 1 <= clusters <= recipe.clusters:
        raise RunError(
            f"clusters: expected 1 to {recipe.clusters} in the settings of the run, got "
            f"{clusters!r:.80}; no run wrote them"
        )
    return replace(recipe, clusters=clusters)
