"""Locks that a fork of the process waits for.

A forked child has only the thread that forked: a lock that another thread held stays locked in it
for ever, and OpenBLAS even waits, in the parent, for its own threads to end. A fork therefore waits
until running BLAS calls and compilations are over: milliseconds for the former, seconds for the
latter.
"""

# logging registers its own lock for forks. Handlers run in reverse order of registration; compiling
# threads write to the log.
import logging  # noqa: F401
import os
import threading
import weakref
from typing import Any

_in_blas: weakref.WeakSet[Any] = weakref.WeakSet()  # one lock for each thread
_others: list[Any] = []
_held: list[list[Any]] = []
_registry = threading.RLock()


class InBlas(threading.local):
    """`with IN_BLAS.lock:` around each BLAS call.

    The lock is the thread's own, so threads do not wait for each other.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        with _registry:
            _in_blas.add(self.lock)


IN_BLAS = InBlas()


def hold_during_fork(lock: Any) -> None:
    """Make every fork of this process wait for this lock as well.

    Its holder must not wait for BLAS.
    """
    _others.append(lock)


def _acquire() -> None:
    _registry.acquire()
    locks = [*_in_blas, *_others]
    for lock in locks:
        lock.acquire()
    _held.append(locks)


def _release() -> None:
    for lock in _held.pop():
        lock.release()
    _registry.release()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
