"""What a command prints while it works."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

from tqdm import tqdm

from gan.errors import CollapseWarning
from gan.training.callback import Callback
from gan.training.trainer import Trainer


class ProgressBar(Callback):
    """Advances a progress bar that shows the losses and the images per second."""

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


def printer(quiet: bool, say: Callable[..., object] = print) -> Callable[..., object]:
    """Return `say`, or if quiet, a function that does nothing."""
    return (lambda *words: None) if quiet else say


@contextmanager
def collapse_warnings() -> Iterator[None]:
    """Print each `CollapseWarning` as a line on stderr, above the bar."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CollapseWarning)
        show = warnings.showwarning

        def print_line(
            message: Warning | str, category: type[Warning], *where: Any, **more: Any
        ) -> None:
            if issubclass(category, CollapseWarning):
                tqdm.write(f"warning: {message}", file=sys.stderr)
            else:
                show(message, category, *where, **more)

        warnings.showwarning = print_line
        yield
