"""What no thread may be in the middle of when the process forks.

The child has only the thread that forked. A lock that another thread held stays locked there for ever, and a fork during another
thread's product hangs in OpenBLAS. So a fork waits for calls of BLAS under way, milliseconds, and for compilations, seconds.
"""

import logging  # noqa: F401  (a fork takes its lock, too, and must do so after ours, as Numba's compiler does: last come, first done)
import os
import threading
import weakref

_in_blas = weakref.WeakSet()  # a lock of each thread
_others, _held = [], []
_registry = threading.RLock()


class InBlas(threading.local):
    """`with IN_BLAS.lock:` around each call of BLAS; the lock is the thread's own, so threads do not wait for each other."""

    def __init__(self):
        self.lock = threading.RLock()
        with _registry:
            _in_blas.add(self.lock)


IN_BLAS = InBlas()


def hold_during_fork(lock):
    """Have every fork wait for this lock, too. Its holder must not wait for BLAS."""
    _others.append(lock)


def _acquire():
    _registry.acquire()
    locks = [*_in_blas, *_others]
    for lock in locks:
        lock.acquire()
    _held.append(locks)


def _release():
    for lock in _held.pop():
        lock.release()
    _registry.release()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
