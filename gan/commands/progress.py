"""What a command shows while it trains."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from tqdm import tqdm

from gan.training.callback import Callback
from gan.training.trainer import Trainer


class ProgressBar(Callback):
    """Advances a progress bar, with the losses and the images per second beside it."""

    def __init__(self, bar: tqdm) -> None:
        self.bar = bar

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        speed = f"{record['images_per_second']:,.0f} images/s"
        self.bar.set_postfix_str(
            f"D {record['d_loss']:.3f}, G {record['g_loss']:.3f}, {speed}", refresh=False
        )
        if trainer.last_step != inf:
            self.bar.total = trainer.last_step
        self.bar.update(trainer.step_count - self.bar.n)


class Stopper:
    """Handles signals for a command that trains: each asks the trainer to stop after its step.

    `caught` holds the numbers of the signals.
    """

    def __init__(self) -> None:
        self.caught: list[int] = []

    def stopping(self, stop: Callable[[], object]) -> Callable[[int], None]:
        """A handler for `on_signals` that calls ``stop()``."""

        def handler(signum: int) -> None:
            self.caught.append(signum)
            stop()

        return handler

    @property
    def status(self) -> int:
        """Exit status: 0, or 128 + the number of the first signal."""
        return 128 + self.caught[0] if self.caught else 0


def printer(quiet: bool, say: Callable[..., object] = print) -> Callable[..., object]:
    """`say`, or a function that prints nothing."""
    return (lambda *words: None) if quiet else say
