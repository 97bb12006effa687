"""Silencing Pillow's warnings about damaged metadata, in all threads at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nn.ops.fork import hold_during_fork

_lock = threading.Lock()
_silenced: list[warnings.catch_warnings] = []  # one while any thread is in the block
_n_inside = 0
hold_during_fork(_lock)


@contextmanager
def no_warnings() -> Iterator[None]:
    """Silence Pillow's warnings about damaged metadata while any thread is in such a block.

    Warning filters are global: the first thread to enter sets them, and the last to leave restores
    them.
    """
    global _n_inside
    with _lock:
        if not _n_inside:
            _silenced.append(warnings.catch_warnings())
            _silenced[0].__enter__()
            warnings.simplefilter("ignore")
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                _silenced.pop().__exit__(None, None, None)
