"""The weights of a run: the latest, and the best by FID."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

from gan.description import Description
from gan.folders import unwritable
from gan.runs.history import History
from gan.training.callback import Callback
from gan.training.trainer import Trainer
from nn import save_weights


def save_trained(path: Path, trainer: Trainer, config: Mapping[str, Any]) -> None:
    """Write both networks and their `Description`; G is the moving average if there is one.

    Parameters
    ----------
    path
        The .npz.
    trainer
        The trainer of the networks.
    config
        The settings of the run.
    """
    recipe = trainer.recipe
    description = Description(
        recipe.latent,
        recipe.image_range,
        recipe.classes,
        trainer.sampler.class_prior,
        recipe.name,
        {**config, "steps_done": trainer.step_count},
        trainer.image_shape,
        trainer.sampler.class_names,
        recipe.clusters_per_image,
    )
    networks = {"G": trainer.generator_ema, "D": trainer.discriminator}
    save_weights(path, networks, description.to_info())


class WeightsCallback(Callback):
    """Writes weights.npz after each epoch, and best.npz whenever FID reaches a new minimum.

    Parameters
    ----------
    folder
        The folder of the run.
    config
        Its settings.
    history
        Its history, which must come before this callback.
    best
        The lowest FID of a resumed run so far.
    """

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        history: History,
        best: float | None = None,
    ) -> None:
        self._folder, self._config, self._history = folder, config, history
        self.best = best

    def on_start(self, trainer: Trainer) -> None:
        """Refuse layers that a weights file cannot describe before they have trained."""
        for network in (trainer.generator_ema, trainer.discriminator):
            network.to_config()

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        fid = self._history.rows[-1].get("fid")
        try:
            self.save(trainer)
            if fid is not None and fid < (inf if self.best is None else self.best):
                self.best = fid
                self.save(trainer, "best.npz")
        except OSError as problem:
            raise unwritable(self._folder, problem) from None

    def save(self, trainer: Trainer, name: str = "weights.npz") -> None:
        """Write the current weights."""
        save_trained(self._folder / name, trainer, self._config)
