"""The number of threads, as text: "2 threads", or "1 thread: OPENBLAS_NUM_THREADS=1"."""

from nn import launcher


def cores() -> int:
    """How many cores this process may use, or its share of them where several train together."""
    return launcher.share_of(launcher.cores())


def in_words(threads: int, reason: str, note: str = "") -> str:
    """threads, `reason` (why fewer than cores) and `note` (about several) as text."""
    words = f"{threads} thread{'s' if threads > 1 else ''}{': ' if reason else ''}{reason}"
    return f"{words}; {note}" if note and threads > 1 else words
