"""The number of threads, as text: "2 threads", or "1 thread: OPENBLAS_NUM_THREADS=1"."""

import os


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_words(threads: int, reason: str, note: str = "") -> str:
    """threads, `reason` (why fewer than cores) and `note` (about several) as text."""
    words = f"{threads} thread{'s' if threads > 1 else ''}{': ' if reason else ''}{reason}"
    return f"{words}; {note}" if note and threads > 1 else words
