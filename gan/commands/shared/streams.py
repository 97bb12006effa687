"""Standard streams that accept all output, so that printing never ends a command."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any


class Output(io.RawIOBase):
    """Writes to another raw stream, and drops what that stream rejects.

    The stream may be a closed terminal, a full disk or a closed pipe.

    Parameters
    ----------
    raw
        The stream to write to.
    errors
        Collects the errno of each failed write.
    """

    def __init__(self, raw: io.RawIOBase, errors: set[int]) -> None:
        super().__init__()
        self._raw, self._errors = raw, errors

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any) -> int:  # a Buffer, which has no name before Python 3.12
        try:
            while (count := self._raw.write(data)) is None:  # non-blocking, and full
                select.select([], [self._raw], [])
            return count
        except OSError as problem:
            if problem.errno is not None:
                self._errors.add(problem.errno)
            return len(data)


def prepare_streams() -> set[int]:
    """Make stdout and stderr accept everything that is printed.

    A closed stream is opened on os.devnull: otherwise a data file would get its file descriptor,
    and the text printed to it. A character that the encoding lacks is escaped. Output that cannot
    be written is dropped. Streams that a program has replaced are left alone.

    Returns
    -------
    set of int
        Collects the errno of each failed write to stdout, now and later.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
            os.set_inheritable(number, True)
    lost: set[int] = set()
    for name, errors in (("stdout", lost), ("stderr", set())):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False))
        elif stream is getattr(sys, f"__{name}__"):
            # The buffer of an unbuffered stream is itself raw.
            raw = Output(getattr(stream.buffer, "raw", stream.buffer), errors)
            text = io.TextIOWrapper(
                io.BufferedWriter(raw),
                stream.encoding,
                "backslashreplace",
                line_buffering=stream.line_buffering or stream.write_through,
            )
            setattr(sys, name, text)
    return lost
