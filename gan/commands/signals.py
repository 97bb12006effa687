"""Signals that stop a command."""

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

    A second signal ends the process at once, except a second SIGHUP: when a terminal closes, both
    the system and the shell may send one. An ignored signal, as after `nohup`, stays ignored.
    Outside the main thread, where Python permits no handlers, nothing changes.
    """

    def first(signum: int, frame: FrameType | None) -> None:
        for number in previous:
            signal.signal(number, ignore if number == HANG_UP else signal.SIG_DFL)
        handler(signum)

    def ignore(signum: int, frame: FrameType | None) -> None:
        """Unlike SIG_IGN, not inherited by other processes."""

    previous = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        not_ours = (signal.SIG_IGN, None)  # None: not set by Python
        previous = {number: old for number, old in handlers.items() if old not in not_ours}
    try:
        for number in previous:
            signal.signal(number, first)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
