"""Standard streams that let no command end because of what it prints."""

import io
import os
import select
import sys


class Output(io.RawIOBase):
    """Writes to another raw stream, and drops what that one does not take: a terminal that is gone, a full disk, a closed pipe.

    errors: a set that gets the numbers of the system's errors.
    """

    def __init__(self, raw, errors):
        super().__init__()
        self._raw, self._errors = raw, errors

    def writable(self):
        return True

    def fileno(self):
        return self._raw.fileno()

    def isatty(self):
        return self._raw.isatty()

    def write(self, data):
        try:
            while (count := self._raw.write(data)) is None:  # in non-blocking mode, and full
                select.select([], [self._raw], [])
            return count
        except OSError as problem:
            self._errors.add(problem.errno)
            return len(data)


def prepare_streams():
    """Make stdout and stderr take everything that is printed. -> a set that gets the error numbers of writing to stdout.

    A closed stream leads to os.devnull: a data file would get its number otherwise, and what is printed to that number.
    A character that the encoding lacks is written as an escape. What cannot be written is dropped. Streams that a program has
    put in place of the process's own are left alone.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(number, True)
    lost = set()
    for name, errors in (("stdout", lost), ("stderr", set())):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False))
        elif stream is getattr(sys, f"__{name}__"):
            raw = Output(getattr(stream.buffer, "raw", stream.buffer), errors)  # an unbuffered stream's buffer is raw itself
            at_once = stream.line_buffering or stream.write_through
            text = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=at_once)
            setattr(sys, name, text)
    return lost
