"""How many threads compute, in words: "2 threads", or "1 thread: OPENBLAS_NUM_THREADS=1"."""

import os


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_words(threads, reason, note=""):
    """reason: why there are fewer than cores, or "". note: what to say of several threads, or ""."""
    words = f"{threads} thread{'s' if threads > 1 else ''}{': ' if reason else ''}{reason}"
    return f"{words}; {note}" if note and threads > 1 else words
