"""A trainer with the data and the settings of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gan.data import stacked
from gan.data.clusters import ClusterIds
from gan.data.image_shapes import POINTS
from gan.data.images import cifar10
from gan.data.points.patterns import PATTERNS
from gan.recipe import Recipe
from gan.recipes import DIGITS, get_recipe
from gan.runs.checkpoint import Checkpoint
from gan.runs.starting.own_images import Places, name_of_data
from gan.runs.starting.training_data import TrainingData, training_data
from gan.runs.starting.tuned import settings_of, tuned
from gan.training.trainer import Trainer
from nn.ops.base import Ops
from nn.processes.single import SINGLE, Processes

SHAPES = {  # of the images of data sets other than those of MNIST's format
    cifar10.NAME: cifar10.SHAPE,
    stacked.NAME: stacked.SHAPE,
    **dict.fromkeys(PATTERNS, POINTS),
}
Say = Callable[..., object]


@dataclass
class Prepared:
    """What a run begins with.

    Parameters
    ----------
    trainer
        At step 0.
    data
        What it trains on.
    config
        The settings of the run.
    recipe
        The recipe for these data, before the settings replace any of its own.
    """

    trainer: Trainer
    data: TrainingData
    config: dict[str, Any]
    recipe: Recipe

    def with_settings(self, changed: dict[str, Any]) -> Prepared:
        """The same run with other settings, which must leave the networks and the data as they are.

        Its trainer continues from the state of this one's.
        """
        config, before = self.config | changed, self.trainer
        recipe = tuned(self.recipe, config, self.data.n_in_epoch)
        targets = None if before.cluster_ids is None else ClusterIds(before.cluster_ids)
        trainer = Trainer(
            recipe,
            self.data.images,
            self.data.labels if targets is None else targets,
            seed=config["seed"],
            device=before.ops,
        )
        trainer.load_state_dict(before.state_dict())
        for name in ("generator", "discriminator"):  # no part of a state; for who looks at them
            grads = (getattr(each, name).parameters.grad.flat for each in (trainer, before))
            before.ops.copy_(*grads)
        self.config.update(changed)  # in place: what writes checkpoints and weights holds it too
        return replace(self, trainer=trainer)

    @property
    def data_dir(self) -> str | None:
        """Where the data are, for a resumed run."""
        where = self.data.data_dir
        return where and str(Path(where).expanduser().absolute())


def recipe_of(config: dict[str, Any]) -> Recipe:
    """The recipe of a run, for the image shape of its data set; `RunError` if it is not for it."""
    recipe = get_recipe(config["recipe"])
    if config["dataset"]:
        recipe = recipe.for_images(SHAPES.get(config["dataset"], DIGITS))
    return recipe


def prepare(
    places: Places,
    config: dict[str, Any],
    checkpoint: Checkpoint | None,
    ops: Ops,
    say: Say,
    *,
    capture: bool = True,
    hint: str = "",
    processes: Processes = SINGLE,
) -> Prepared:
    """Read the data of a run and make its trainer.

    Parameters
    ----------
    places
        Where the data are.
    config
        The settings of the run; see `gan.runs.settings`.
    checkpoint
        Of the run to resume; None for a new run. Its state is not loaded: see `restore`.
    ops
        The backend.
    say
        Prints a line.
    capture
        Whether training steps are recorded as programs.
    hint
        The end of the line that names the data and the backend.
    processes
        Those that train together. They read the data one after another.

    Raises
    ------
    RunError, DataError
        If the settings do not fit together, or the data cannot be read.
    """
    with processes.in_turn():
        recipe, data = training_data(places, config, checkpoint, recipe_of(config), say)
    targets: np.ndarray | ClusterIds | None = data.labels
    if checkpoint and checkpoint.clusters is not None:
        targets = ClusterIds(checkpoint.clusters)
    n, what = f"{data.n_images:,}", data.what
    say(f"{recipe.name} on {n} {what} of {name_of_data(config)}, on {ops!r}{hint}")
    trainer = Trainer(
        tuned(recipe, config, data.n_in_epoch),
        data.images,
        targets,
        seed=config["seed"],
        device=ops,
        capture=capture,
        processes=processes,
    )
    config |= settings_of(trainer.recipe) | {
        "images": data.n_images,
        "data": data.digest,
        "device": ops.device if config["device"] == "auto" else config["device"],
    }
    return Prepared(trainer, data, config, recipe)
