"""Watch a training step of a GAN: its noise, its passes, its losses, its penalty and its updates.

Events happen within the parts of a step, such as ("D's update", "real and generated", "D.forward").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.training.step.adversarial_step import BOTH, AdversarialStep
from nn.cache import Cache
from nn.ops.base import Array
from nn.watching import Event, Watcher

D_UPDATE, G_UPDATE, PENALTY = "D's update", "G's update", "penalty"
REAL, GENERATED, REAL_AND_GENERATED = "real", "generated", "real and generated"
PARTS = {"update_discriminator": D_UPDATE, "update_generator": G_UPDATE}


def watch_step(
    step: AdversarialStep,
    log: dict[str, Array],
    step_number: int = 0,
    *,
    max_bytes: int | None = None,
) -> list[Event]:
    """Do one training step, uncaptured, and return what it did.

    Besides the events of layers and optimizers that `nn.watching.watch` returns, there are these,
    whose `of` is the step:

    - "batch", the first: x, the training images as D sees them, and onehot, their classes
    - "noise": z, or z beside the one-hot classes, which goes into G
    - "discriminator_loss": real and fake, the logits; dreal and dfake, the gradients; d_loss_real
      and d_loss_fake, the losses
    - "generator_loss": fake, the logits; real too for objectives of pairs; dfake and g_loss
    - "penalty": penalty, its value. It comes after the passes that compute it, which happen within
      PENALTY.
    - "average": decay, after the moving average of G

    Parameters
    ----------
    step
        Its `real_rows` hold the batch, and its `conditioning.labels` the classes.
    log, step_number
        Those of the step.
    max_bytes
        Of all copies together.

    Returns
    -------
    list of Event
        In order.

    Raises
    ------
    DeviceMemoryError
        If the copies need more than `max_bytes`. The step has then been left half done.
    """
    watcher = Watcher(max_bytes)
    with watcher.watching():
        StepWatcher(watcher, step, log).begin()
        step(log, step_number)
    return watcher.events


class StepWatcher:
    """Watches what an `AdversarialStep` consists of.

    Parameters
    ----------
    watcher
        Collects the events.
    step, log
        As in `watch_step`.
    """

    def __init__(self, watcher: Watcher, step: AdversarialStep, log: dict[str, Array]) -> None:
        self._watcher, self._step, self._log = watcher, step, log

    def begin(self) -> None:
        """Replace the step's methods, and note the batch."""
        watcher, step = self._watcher, self._step
        for network in (step.G, step.D):
            watcher.layer(network)
        for optimizer in (step.d_optimizer, step.g_optimizer):
            watcher.optimizer(optimizer)
        for name, part in PARTS.items():
            watcher.replace(step, name, self._named(part))
        watcher.replace(step, "score", self._score)
        watcher.replace(step, "discriminator_loss", self._discriminator_loss)
        watcher.replace(step, "generator_loss", self._generator_loss)
        watcher.replace(step.conditioning, "draw_inputs", self._noise)
        if step.penalty is not None:
            watcher.replace(step.penalty, "add", self._penalty)
        if step.ema is not None:
            watcher.replace(step.ema, "update", self._average)
        self._add("batch", {"x": step.real, "onehot": step.conditioning.labels})

    def _add(self, what: str, arrays: dict[str, Array | None], **settings: Any) -> None:
        step = self._step
        self._watcher.add(Event(what, step, self._watcher.copies(step.ops, arrays), settings))

    def _named(self, part: str) -> Callable[..., Any]:
        """Runs a method within this name."""

        def around(method: Any, *args: Any, **kwargs: Any) -> Any:
            with self._watcher.inside(part):
                return method(*args, **kwargs)

        return around

    def _score(self, method: Any, rows: slice, cache: Cache) -> Array:
        names = {"": REAL_AND_GENERATED, "real": REAL, "fake": GENERATED}
        which = "" if rows == BOTH else "real" if rows == self._step.real_half else "fake"
        with self._watcher.inside(names[which]):
            return method(rows, cache)

    def _noise(self, method: Any, stream: Any) -> Array:
        inputs = method(stream)
        self._add("noise", {"z": inputs})
        return inputs

    def _discriminator_loss(
        self, method: Any, real: Array, fake: Array, log: dict[str, Array]
    ) -> None:
        logits = {"real": real, "fake": fake}
        with self._watcher.inside("discriminator_loss"):
            method(real, fake, log)
        step = self._step
        gradients = {
            "dreal": step.dlogits[step.real_half],
            "dfake": step.dlogits[step.fake_half],
        }
        values = {name: log[name] for name in ("d_loss_real", "d_loss_fake")}
        self._add("discriminator_loss", {**logits, **gradients, **values})

    def _generator_loss(self, method: Any, fake: Array, real: Array | None, value: Array) -> None:
        method(fake, real, value)
        gradient = self._step.dlogits[self._step.fake_half]
        self._add(
            "generator_loss", {"fake": fake, "real": real, "dfake": gradient, "g_loss": value}
        )

    def _penalty(self, method: Any, step_number: int, **arrays: Any) -> None:
        penalty = self._step.penalty
        with self._watcher.inside(PENALTY):
            method(step_number, **arrays)
        if penalty is not None and penalty.is_due(step_number):
            self._add("penalty", {"penalty": arrays["value"]})

    def _average(self, method: Any, *args: Any) -> None:
        method(*args)
        decay = np.array([self._step.recipe.ema_decay], np.float64)
        self._watcher.add(Event("average", self._step, {"decay": decay}))
