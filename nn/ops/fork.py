"""What no thread may be in the middle of when the process forks.

The child has only the thread that forked: a lock that another one held stays locked there for ever, and OpenBLAS even waits,
in the parent, for its own threads to end. So the fork waits until the calls of BLAS that are under way are over, and until
nothing is being compiled; each takes milliseconds, a compilation seconds.
"""

import logging  # noqa: F401  (its lock is taken before a fork, too; what is registered after it is done first: who compiles, logs)
import os
import threading
import weakref

_in_blas = weakref.WeakSet()  # a lock of each thread
_others, _held = [], []
_registry = threading.RLock()


class Blas(threading.local):
    """`with IN_BLAS.lock:` around each call of BLAS: a lock of the thread's own, so that threads do not wait for each other."""

    def __init__(self):
        self.lock = threading.RLock()
        with _registry:
            _in_blas.add(self.lock)


IN_BLAS = Blas()


def hold_during_fork(lock):
    """Let every fork of this process wait for this lock, too; who holds it must not wait for BLAS."""
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
