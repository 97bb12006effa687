"""Stopping a command by a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
STOPPING = (signal.SIGINT, signal.SIGTERM) + ((HANG_UP,) if HANG_UP else ())


@contextmanager
def on_signals(handler: Callable[[int], object]) -> Iterator[None]:
    """Call ``handler(signum)`` at the first SIGINT, SIGTERM or SIGHUP inside the block.

    A second signal ends the process at once, except a second SIGHUP: when a terminal closes, the
    system and the shell may both send one. An ignored signal, as after `nohup`, stays ignored.
    Outside the main thread, where Python permits no handlers, this does nothing.
    """

    def first(signum: int, frame: FrameType | None) -> None:
        for number in previous:
            signal.signal(number, ignore if number == HANG_UP else signal.SIG_DFL)
        handler(signum)

    def ignore(signum: int, frame: FrameType | None) -> None:
        """Do nothing. Unlike SIG_IGN, child processes do not inherit it."""

    previous = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        not_ours = (signal.SIG_IGN, None)  # None: set by other code than Python
        previous = {number: old for number, old in handlers.items() if old not in not_ours}
    try:
        for number in previous:
            signal.signal(number, first)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


class Stopper:
    """Stops the trainer of a command at a signal, after the current step.

    `caught` lists the numbers of the signals.
    """

    def __init__(self) -> None:
        self.caught: list[int] = []
        self._announced = False

    def announce(self, say: Callable[[], object]) -> None:
        """Call ``say()`` if a signal was caught; later calls do nothing."""
        if self.caught and not self._announced:
            self._announced = True
            say()

    def stopping(self, stop: Callable[[], object]) -> Callable[[int], None]:
        """Return a handler for `on_signals` that calls ``stop()``."""

        def handler(signum: int) -> None:
            self.caught.append(signum)
            stop()

        return handler

    @property
    def status(self) -> int:
        """The exit status: 0, or 128 + the number of the first signal."""
        return 128 + self.caught[0] if self.caught else 0
