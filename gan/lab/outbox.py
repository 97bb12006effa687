"""What the server has to send to one page, which may be slow to read it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

MAX_WAITING = 16  # answers


class Outbox:
    """Messages to a page in order; of a live picture, only the latest waits.

    `put` and `show` may be called from any thread. `get` is awaited by the one sender.

    Parameters
    ----------
    loop
        The event loop of the sender.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._filled = loop, asyncio.Event()
        self._replies: deque[bytes] = deque()
        self._latest: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether the page has not read many answers yet."""
        return len(self._replies) >= MAX_WAITING

    def put(self, message: bytes) -> None:
        """Queue an answer."""
        with self._lock:
            self._replies.append(message)
        self._wake()

    def show(self, name: str, message: bytes) -> None:
        """Replace what waits under this name."""
        with self._lock:
            self._latest[name] = message
        self._wake()

    async def get(self) -> bytes:
        """The next message, as soon as there is one."""
        while not (self._replies or self._latest):
            self._filled.clear()
            await self._filled.wait()
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            return self._latest.pop(next(iter(self._latest)))

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._filled.set)
        except RuntimeError:  # the server has ended
            pass
