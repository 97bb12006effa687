"""One run at a time in a folder."""

import os
import weakref

from gan.errors import RunError

try:
    import fcntl
except ImportError:  # Windows: two runs in one folder are then for their user to avoid
    fcntl = None


class RunLock:
    """Holds a folder until `release`, or until the process ends, however it does: the system's lock dies with it.

    Nothing is left in the folder. Errors: `RunError` where another run holds it, or it is no folder that can be read.
    """

    def __init__(self, path):
        self.release = lambda: None
        if fcntl is None:
            return
        try:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as problem:
            raise RunError(f"{path}: cannot be used as a run's folder ({problem.strerror}); name another") from None
        self.release = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise RunError(f"{path}: another run is writing into it; wait for its end, or name another folder with --out") from None
        except OSError:  # a file system without locks
            self.release()
