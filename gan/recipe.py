"""What a recipe is: networks and settings that train together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gan.data.image_shapes import POINTS, ImageShape, in_words
from gan.errors import RunError
from gan.latent import Latent
from gan.objectives.objectives import NonSaturating, Objective
from gan.objectives.penalties import Penalty
from nn import Sequential
from nn.schedules import Schedule

MakeNetwork = Callable[[int], Sequential]
DIGITS = (1, 28, 28)  # the image shape of MNIST
NOT_FOR_COLOUR = {"name", "origin", "image_shape", "colour", "epochs", "steps"} | {
    "make_networks",
    "make_generator",
    "make_discriminator",
}


@dataclass(frozen=True)
class Recipe:
    """Everything a run needs except images; `dataclasses.replace` changes a setting.

    Parameters
    ----------
    name : its name in `get_recipe` and `--recipe`
    origin : where it comes from, for the table of recipes
    make_generator : returns an unbuilt generator, given the size of its input (`n_in`)
    make_discriminator : returns an unbuilt discriminator, given the number of its outputs (`n_out`)
    latent : the noise
    image_range : (low, high) of the generated images, and of the training images as D sees them
    image_shape : (C, H, W) of the images
    make_networks : given another image shape, returns `make_generator` and `make_discriminator` for
        it; None for a recipe with one image shape
    colour : settings for colour images in place of these, by their names, such as a `schedule`; any
        but the name, the image shape, the networks and the length of the run
    objective : the losses of D and G
    penalty : on the slope of D, or None
    learning_rate, beta1, beta2 : of both Adam optimizers
    g_learning_rate, d_learning_rate : of G or of D alone, in place of `learning_rate`; or None
    schedule : function of the step, counted from 0, that returns the factor of both learning rates,
        such as a `CosineSchedule`; or None
    clip_norm : limit of the norm of the gradients of each network, or None
    clip_value : limit of the size of each gradient, or None; applied before `clip_norm`
    weight_decay : AdamW's decoupled decay, of at least 0; 0 is Adam
    n_critic : updates of D, one in each step, per update of G
    ema_decay : decay per step of G's moving average, which is saved and sampled; None for none
    fresh_noise : whether G's update generates new images instead of reusing those of D's update
    pack : number of images that D scores at once, stacked as channels (PacGAN)
    classes : number of labelled classes that the networks are conditional on, or 0
    clusters : number of k-means clusters that take the place of labelled classes, or into which
        each of these is divided; or 0
    clusters_per_image : 3 for Stacked MNIST, each of whose channels has a cluster of its own
    batch_size : images per step
    epochs, steps : length of the run; set exactly one
    """

    name: str
    origin: str
    make_generator: MakeNetwork
    make_discriminator: MakeNetwork
    latent: Latent
    image_range: tuple[float, float]
    image_shape: ImageShape = DIGITS
    make_networks: Callable[[ImageShape], tuple[MakeNetwork, MakeNetwork]] | None = None
    colour: Mapping[str, Any] = field(default_factory=dict, hash=False)
    objective: Objective = NonSaturating()
    penalty: Penalty | None = None
    learning_rate: float = 2e-4
    beta1: float = 0.9
    beta2: float = 0.999
    g_learning_rate: float | None = None
    d_learning_rate: float | None = None
    schedule: Schedule | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    weight_decay: float = 0.0
    n_critic: int = 1
    ema_decay: float | None = None
    fresh_noise: bool = True
    pack: int = 1
    classes: int = 0
    clusters: int = 0
    clusters_per_image: int = 1
    batch_size: int = 64
    epochs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        known = {each.name for each in fields(self)} - NOT_FOR_COLOUR
        if unknown := sorted(set(self.colour) - known):
            raise RunError(
                f"recipe {self.name}: expected settings of a recipe in colour, got "
                f"{', '.join(unknown)}; choose among {', '.join(sorted(known))}"
            )

    @property
    def num_classes(self) -> int:
        """The number of clusters or, without them, of labelled classes; 0 if unconditional."""
        return max(self.classes, 1) * self.clusters or self.classes

    @property
    def one_hot_size(self) -> int:
        """The length of an image's one-hot class, or of its one-hot clusters side by side."""
        return self.num_classes * self.clusters_per_image

    @property
    def n_in(self) -> int:
        """The size of G's input: noise and a one-hot class."""
        return self.latent.size + self.one_hot_size

    @property
    def n_out(self) -> int:
        """The number of D's outputs: one per class."""
        return self.one_hot_size or 1

    @property
    def length(self) -> str:
        """The length of a run as text."""
        return f"{self.epochs} epochs" if self.epochs else f"{self.steps:,} steps"

    def for_images(self, image_shape: ImageShape) -> Recipe:
        """This recipe with networks for images of this shape, and its settings for colour.

        The settings in `colour` replace this recipe's, also those that you have changed: change
        them in the result, or clear `colour`. The result has no `colour`, so it stays as it is for
        other colour images, and cannot be turned back into a recipe for grey ones.

        Raises
        ------
        RunError : the recipe has networks for one image shape only, or none of this shape
        """
        if image_shape == self.image_shape:
            return self
        if self.make_networks is None or image_shape == POINTS:
            other = "a recipe for any images, such as conv-clusters"
            only = ", the only ones it is for" if self.make_networks is None else ""
            raise RunError(
                f"recipe {self.name}: expected images of {in_words(self.image_shape)}{only}, got "
                f"{in_words(image_shape)}; take "
                f"{'the recipe points' if image_shape == POINTS else other}"
            )
        G, D = self.make_networks(image_shape)
        made = replace(self, image_shape=image_shape, make_generator=G, make_discriminator=D)
        return replace(made, colour={}, **self.colour) if image_shape[0] > 1 else made

    def generator(self) -> Sequential:
        """A new, unbuilt generator."""
        return self.make_generator(self.n_in)

    def discriminator(self) -> Sequential:
        """A new, unbuilt discriminator."""
        return self.make_discriminator(self.n_out)
