"""The callback through which pages see a run; it reads, and changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.lab.messages import encode
from gan.lab.train.layer_figures import dead_units, layer_norms
from gan.runs.pictures import fixed_pictures
from gan.training.callback import Callback
from gan.training.trainer import Trainer

COLUMNS = ("step", "d_loss", "g_loss", "d_real", "d_fake", "penalty")
SAMPLES_EVERY, LAYERS_EVERY = 0.2, 0.5  # seconds
MOST_POINTS = 2000  # of a curve

Show = Callable[[str, bytes], object]


class WatchCallback(Callback):
    """Shows the samples, the losses and the layers of a run.

    Samples and losses are shown at most every SAMPLES_EVERY seconds, layers every LAYERS_EVERY, and
    all of them where `fit` ends. Figures are those of the trainer's arrays at that step.

    Parameters
    ----------
    show
        Called as show(name, message) from the trainer's thread.
    on_log
        Called as on_log(trainer) when the trainer's arrays may be read.
    """

    def __init__(self, show: Show, on_log: Callable[[Trainer], object]) -> None:
        self._show, self._on_log = show, on_log
        self._points: list[tuple[float, ...]] = []
        self._shown = {"samples": -inf, "layers": -inf}
        self.latest: dict[str, bytes] = {}

    def on_start(self, trainer: Trainer) -> None:
        self._look(trainer, at_once=True)

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._points.append(tuple(float(record[name]) for name in COLUMNS))
        if len(self._points) > MOST_POINTS:  # thin out all but the latest half
            half = MOST_POINTS // 2
            self._points = self._points[:half:2] + self._points[half:]
        self._look(trainer, at_once=trainer.record_due)
        self._on_log(trainer)

    def on_epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._look(trainer, at_once=trainer.record_due)

    def _look(self, trainer: Trainer, at_once: bool) -> None:
        """Show what is due."""
        if at_once or self._is_due("samples", SAMPLES_EVERY):
            images = np.rint(255 * fixed_pictures(trainer)).astype(np.uint8)
            table = np.array(self._points, np.float32).reshape(-1, len(COLUMNS))
            fields = {
                "step": trainer.step_count,
                "last": None if trainer.last_step == inf else trainer.last_step,
                "seconds": trainer.seconds,
                "epoch": trainer.step_count / trainer.steps_per_epoch,
            }
            self._send("samples", fields, {"images": images})
            curves = {name: table[:, k].copy() for k, name in enumerate(COLUMNS)}
            self._send("losses", {}, curves)
        if at_once or self._is_due("layers", LAYERS_EVERY):
            networks = {"G": trainer.generator, "D": trainer.discriminator}
            inputs = {"G": trainer.fixed_inputs, "D": trainer.adversarial_step.d_images}
            figures: dict[str, Any] = {"step": trainer.step_count}
            figures |= {
                name: layer_norms(network, trainer.optimizers[name])
                for name, network in networks.items()
            }
            figures |= {
                f"{name}_dead": dead_units(network, inputs[name]) if trainer.step_count else []
                for name, network in networks.items()
            }
            self._send("layers", figures, {})

    def _is_due(self, name: str, seconds: float) -> bool:
        return time.monotonic() - self._shown[name] >= seconds

    def _send(self, name: str, fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self._shown[name] = time.monotonic()
        self.latest[name] = message = encode(name, fields, arrays)
        self._show(name, message)
