"""A function over many items on all cores, in order, a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nn.ops.threads import cores

CHUNK = 32  # items handed to a thread at once: handing over a small image costs as much as decoding
MAX_THREADS = 8  # more would mostly wait for Python's global lock
MAX_CHUNKS = 2  # per thread, done or waiting: bounds the memory of what has not been taken

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``function(item)`` for each item, in order; it should release Python's global lock."""

    def work(first: int) -> list[Result]:
        return [function(item) for item in items[first : first + CHUNK]]

    n_threads = min(cores(), MAX_THREADS)
    waiting: deque[Future[list[Result]]] = deque()
    executor = ThreadPoolExecutor(n_threads)
    try:
        for first in range(0, len(items), CHUNK):
            waiting.append(executor.submit(work, first))
            if len(waiting) > MAX_CHUNKS * n_threads:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
