"""What the library reports through `logging`, as lines of a command."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

Say = Callable[[str], object]


class Lines(logging.Handler):
    """Prints each record as a line."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


class Compilation(logging.Handler):
    """Announces that kernels are compiled, and counts them and the seconds that it takes.

    A kernel that another one calls counts as part of that one.

    Attributes
    ----------
    count
        Kernels so far.
    seconds
        What compiling them took.
    """

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say, self._depth, self._began = say, 0, 0.0
        self.count, self.seconds = 0, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if not record.__dict__["is_compiled"]:
            self._begin()
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.monotonic() - self._began

    def _begin(self) -> None:
        """Count a kernel, unless it is part of another one."""
        if self._depth:
            return
        if not self.count:
            self._say("compiling kernels, once on this machine; this may take half a minute")
        self._began = time.monotonic()
        self.count += 1

    def activity(self) -> str:
        """What is going on, for a progress bar."""
        return f"compiling kernel {self.count}" if self._depth else ""

    def summary(self) -> str:
        """What has happened, for the end of a sentence."""
        if not self.count:
            return ""
        kernels = "a kernel" if self.count == 1 else f"{self.count} kernels"
        return f", {self.seconds:.0f} s of it compiling {kernels} for this machine"


@contextmanager
def announcing(say: Say) -> Iterator[Compilation]:
    """Announce k-means and the compilation of kernels inside the block."""
    compilation = Compilation(say)
    with ExitStack() as stack:
        stack.enter_context(_handled("gan.data.clusters", Lines(say)))
        stack.enter_context(_handled("nn.ops.numba", compilation))
        yield compilation


@contextmanager
def _handled(name: str, handler: logging.Handler) -> Iterator[None]:
    """Send a logger's records of level INFO and above to the handler."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
