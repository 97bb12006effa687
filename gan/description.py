"""What a weights file says about its generator besides the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gan.condition import Condition
from gan.data.image_shapes import COLOURS, ImageShape
from gan.latent import Latent
from nn import WeightsError

# Bounds on the values in a weights file
MAX_CLASSES = 1000
MAX_LATENT_SIZE = 10_000
MAX_RANGE = 1e30  # of pixels, far beyond any in use
MAX_SIDE = 1024  # pixels
MAX_NAME = 1000  # characters of a class name


@dataclass(frozen=True)
class Description:
    """The `info` of a weights file with a generator: how to draw with it and how it was trained.

    Parameters
    ----------
    latent
        The noise that the generator takes.
    image_range
        (low, high) of its output.
    classes
        Number of labelled classes that it is conditional on, or 0.
    class_prior
        For a generator trained with clusters: the probability of each, summing to 1; with labelled
        classes, that of each class's clusters in turn.
    recipe
        The name of the recipe, or None if the file does not name it.
    training
        The settings of the run, and how many steps it has done.
    image_shape
        (C, H, W) of its images, or None if the file does not say.
    class_names
        The names of the labelled classes, or None if the file does not say.
    clusters_per_image
        3 for a generator of Stacked MNIST with a cluster for each channel.
    """

    latent: Latent
    image_range: tuple[float, float]
    classes: int = 0
    class_prior: tuple[float, ...] | None = None
    recipe: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    image_shape: ImageShape | None = None
    class_names: tuple[str, ...] | None = None
    clusters_per_image: int = 1

    @property
    def n_in(self) -> int:
        """The size of the generator's input: noise and one-hot classes or clusters."""
        condition = Condition(self.classes, self.class_prior, self.clusters_per_image)
        return self.latent.size + condition.size

    def to_info(self) -> dict[str, Any]:
        """The dict that `save_weights` writes as `info`."""
        return {
            "recipe": self.recipe,
            "latent": {"size": self.latent.size, "distribution": self.latent.distribution},
            "classes": self.classes,
            "shares": self.class_prior,
            "image_range": self.image_range,
            "training": dict(self.training),
            "image_shape": self.image_shape,
            "class_names": self.class_names,
            "clusters_per_image": self.clusters_per_image,
        }

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Description:
        """Read the result of `to_info` from an untrusted file.

        Raises
        ------
        WeightsError
            If a value is missing, of another type, or out of bounds.
        """
        try:
            latent = Latent(info["latent"]["size"], info["latent"]["distribution"])
            low, high = map(float, info["image_range"])
            classes, prior = info.get("classes", 0), info.get("shares")
            prior = None if prior is None else tuple(map(float, prior))
            sums_to_1 = prior is None or (min(prior) >= 0 and abs(sum(prior) - 1) < 1e-9)
        except KeyError as key:
            raise WeightsError(f"{key} is missing") from None
        except (OverflowError, TypeError, ValueError) as problem:
            raise WeightsError(str(problem)) from None
        if latent.size > MAX_LATENT_SIZE:
            raise WeightsError(
                f"expected a latent of at most {MAX_LATENT_SIZE:,} numbers, got {latent.size:,}"
            )
        if not isinstance(classes, int) or not 0 <= classes <= MAX_CLASSES:
            raise WeightsError(f"expected a number of classes up to {MAX_CLASSES}, got {classes!r}")
        is_divided = prior is None or len(prior) % max(classes, 1) == 0
        if prior is not None and (len(prior) > MAX_CLASSES or not (sums_to_1 and is_divided)):
            raise WeightsError(
                f"expected shares of at most {MAX_CLASSES} clusters that sum to 1, as many for "
                "each class"
            )
        per_image = info.get("clusters_per_image", 1)
        may_have_three = prior is not None and not classes
        if type(per_image) is not int or per_image not in (
            (1, COLOURS) if may_have_three else (1,)
        ):
            raise WeightsError(f"expected one cluster for each image, or 3, got {per_image!r:.80}")
        if not -MAX_RANGE < low < high < MAX_RANGE:
            raise WeightsError(
                f"expected an image range of two rising, finite numbers, got [{low}, {high}]"
            )
        shape, names = info.get("image_shape"), info.get("class_names")
        if shape is not None and not is_image_shape(shape):
            raise WeightsError(
                f"expected an image shape [1 or 3, H, W] with sides up to {MAX_SIDE}, got "
                f"{shape!r:.80}"
            )
        if names is not None and not (classes and are_names(names, classes)):
            raise WeightsError(
                f"expected different names for its {classes} classes, got {names!r:.80}"
            )
        recipe, training = info.get("recipe"), info.get("training")
        return cls(
            latent,
            (low, high),
            classes,
            prior,
            recipe if isinstance(recipe, str) else None,
            training if isinstance(training, dict) else {},
            None if shape is None else (shape[0], shape[1], shape[2]),
            None if names is None else tuple(names),
            per_image,
        )


def is_image_shape(shape: object) -> bool:
    """Whether it is a list [C, H, W] within bounds."""
    return (
        isinstance(shape, list | tuple)
        and len(shape) == 3
        and all(type(n) is int for n in shape)
        and shape[0] in (1, COLOURS)
        and all(1 <= side <= MAX_SIDE for side in shape[1:])
    )


def are_names(names: object, n: int) -> bool:
    """Whether it is a list of n different names of bounded length, which a terminal can show."""
    return (
        isinstance(names, list | tuple)
        and len(names) == n
        and all(
            isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable() for name in names
        )
        and len(set(names)) == n
    )
