"""The next step of a trainer, watched; the trainer then returns to where it was."""

from __future__ import annotations

from dataclasses import dataclass

import nn  # noqa: F401  before NumPy: it limits how long OpenBLAS's idle threads spin

# isort: split
import numpy as np

from gan.training.step.watching import watch_step
from gan.training.trainer import Trainer
from nn.ops.base import Array
from nn.watching import Event


@dataclass(frozen=True)
class Rehearsal:
    """A step that was watched.

    Parameters
    ----------
    step_number
        Of the step, counted from 0.
    events
        What it did; see `watch_step`.
    log
        Its losses and D's mean outputs.
    """

    step_number: int
    events: list[Event]
    log: dict[str, float]


def rehearse(trainer: Trainer, *, max_bytes: int | None = None) -> Rehearsal:
    """Do the trainer's next step, watched and uncaptured, and take it back.

    `trainer.step()` afterwards does this very step.

    Parameters
    ----------
    trainer
        One that is not in `fit`.
    max_bytes
        Of all copies together.

    Raises
    ------
    RunError
        If the trainer's state is no longer finite.
    DeviceMemoryError
        If the copies need more than `max_bytes`.
    """
    state, step, number = trainer.state_dict(), trainer.adversarial_step, trainer.step_count
    ops = trainer.ops
    log: dict[str, Array] = {
        name: ops.zeros((1,), trainer.generator.dtype) for name in trainer.log.epoch.columns
    }
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            classes = step.conditioning.labels
            trainer.batches.gather(number, out=step.real_rows, class_onehot=classes)
            events = watch_step(step, log, number, max_bytes=max_bytes)
    finally:
        trainer.load_state_dict(state)
    return Rehearsal(number, events, {k: float(ops.to_host(v)[0]) for k, v in log.items()})
