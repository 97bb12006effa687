"""A run as `byhand train` starts or resumes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan.data.image_shapes import POINTS
from gan.data.images import cifar10
from gan.data.points.patterns import PATTERNS
from gan.data.sources import SOURCES
from gan.errors import RunError
from gan.recipes import get_recipe
from gan.runs.resume import restore
from gan.runs.run import Run
from gan.runs.settings import LENGTHS, settings
from gan.runs.starting.prepared import Prepared, prepare
from gan.training.trainer import Trainer
from nn.ops.base import Ops

DATASETS = (*SOURCES, cifar10.NAME, *PATTERNS)
CHANGEABLE = ("objective", "penalty", "g_learning_rate")  # while the run is going
OPTIONS = (
    *("recipe", "dataset", "data", "batch_size", "learning_rate", "seed", "n_critic"),
    *CHANGEABLE,
    *LENGTHS,
)
MEASURED = "evaluate_every"  # a setting of runs that measure FID themselves
NewFolder = Callable[[str], Path]


@dataclass
class Place:
    """Where the user's own data are, as `gan.runs.starting` takes it."""

    data: str | None = None
    data_dir: str | None = None
    quiet: bool = True


@dataclass
class StartedRun:
    """A trainer with its data and settings, and the run that records it.

    Parameters
    ----------
    prepared
        The trainer, at step 0 or where the run was resumed.
    run
        Its folder.
    """

    prepared: Prepared
    run: Run

    @property
    def trainer(self) -> Trainer:
        """The trainer; another one after a change of settings."""
        return self.prepared.trainer

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        return self.prepared.config

    @property
    def are_points(self) -> bool:
        """Whether it trains on points of a plane."""
        return self.trainer.image_shape == POINTS


def start_run(options: Mapping[str, Any], ops: Ops, new_folder: NewFolder) -> StartedRun:
    """Read the data, make the networks, and make the folder of the run.

    Parameters
    ----------
    options
        OPTIONS by name, those of `byhand train`; None for a default.
    ops
        The backend.
    new_folder
        Called as new_folder(recipe's name) once all else is ready; makes and returns a folder.

    Raises
    ------
    RunError, DataError
        If the settings do not fit together, or the data cannot be read.
    """
    own = options.get("data")
    if own and get_recipe(options["recipe"]).classes:
        options = {**options, "labels": "folders"}
    config = settings(options, None)
    prepared = prepare(Place(own), config, None, ops, say=_quiet)
    try:
        folder = new_folder(prepared.recipe.name)
    except OSError as problem:
        raise RunError(
            f"runs: expected a folder that can be written ({problem.strerror}); start the lab with "
            "another --runs"
        ) from None
    return StartedRun(prepared, Run.create(folder, config, data_dir=prepared.data_dir))


def resume_run(folder: Path, steps: int | None, ops: Ops) -> StartedRun:
    """Continue a run from its checkpoint.

    Parameters
    ----------
    folder
        Of the run.
    steps
        The step at which it ends; None for its own length.
    ops
        The backend.

    Raises
    ------
    RunError, DataError, WeightsError
        If another process trains it, it cannot be read, or its data are gone.
    """
    run = Run.resume(folder)
    try:
        config = settings({"resume": str(folder), "steps": steps}, run.checkpoint)
        if config[MEASURED]:
            raise RunError(
                f"{folder.name}: expected a run without --evaluate-every, got one that measures "
                f"FID as it goes; continue it with byhand train --resume {folder}"
            )
        prepared = prepare(Place(), config, run.checkpoint, ops, say=_quiet)
        assert run.checkpoint is not None
        restore(prepared.trainer, run.checkpoint, run.path)
        run.start(
            config,
            checkpoint_minutes=config["checkpoint_minutes"],
            data_dir=prepared.data_dir,
        )
    except BaseException:
        run.release()
        raise
    return StartedRun(prepared, run)


def _quiet(*words: object) -> None:
    """Print nothing."""
