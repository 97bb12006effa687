"""What a command prints while it works."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from typing import Any

from tqdm import tqdm

from gan.errors import CollapseWarning
from gan.training.callback import Callback
from gan.training.trainer import Trainer

Call = Callable[[], object]
IN_A_TERMINAL, IN_A_FILE = 0.25, 10.0  # seconds from one drawing to the next
TIME_FORMAT = "{l_bar}{bar}| {elapsed}<{remaining}{postfix}"


class ProgressBar(Callback):
    """Advances a progress bar that shows the speed and the losses.

    Losses are read every 50 steps. Call `draw` in between, from any thread, to show the steps.

    Parameters
    ----------
    bar
        It counts steps, or seconds if the length is in minutes only.
    length
        The arguments of `fit`, by name.
    activity
        Called as activity() for a text such as "compiling kernel 3", or "" if there is none.
    """

    def __init__(
        self,
        bar: tqdm,
        length: Mapping[str, float | None] | None = None,
        activity: Callable[[], str] = lambda: "",
    ) -> None:
        self.bar, self._activity = bar, activity
        self._minutes = length["minutes"] if length and not length.get("steps") else None
        self._losses = ""
        self._trainer: Trainer | None = None
        self._drawn, self._began = -inf, 0.0
        self._pause = 0.0
        self._lock = threading.Lock()  # `draw` is called from two threads

    def on_start(self, trainer: Trainer) -> None:
        if self._minutes:
            self.bar.n = self.bar.initial = 0
            self.bar.total, self.bar.bar_format = 60 * self._minutes, TIME_FORMAT
        elif trainer.last_step != inf:
            self.bar.total = trainer.last_step
        if not self.bar.disable:
            self._pause = IN_A_TERMINAL if self.bar.fp.isatty() else IN_A_FILE
            self.bar.mininterval = self._pause
        self._trainer, self._began = trainer, trainer.seconds
        self.draw()

    def on_log(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self._losses = f"D {record['d_loss']:.3f}, G {record['g_loss']:.3f}"
        self.draw()

    def draw(self) -> None:
        """Show the current state."""
        trainer = self._trainer
        if trainer is None or self.bar.disable:
            return
        with self._lock:
            words = [f"step {trainer.step_count:,}"] if self._minutes else []
            words += [word for word in (self._activity(), self._losses) if word]
            self.bar.set_postfix_str(", ".join(words), refresh=False)
            seconds = round(trainer.seconds - self._began, 1)
            done = seconds if self._minutes else trainer.step_count
            now = time.monotonic()
            if self.bar.update(min(done, self.bar.total or inf) - self.bar.n):
                self._drawn = now
            elif now - self._drawn >= self._pause:
                self.bar.refresh()
                self._drawn = now


@contextmanager
def repeated(calls: Iterable[Call], seconds: float) -> Iterator[None]:
    """Make the calls every `seconds` in another thread, until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            for call in calls:
                call()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
