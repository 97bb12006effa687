"""What the command lines share: kinds of arguments, files to write, and errors as one line with exit status 2."""

import argparse
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

from gan.errors import RunError
from nn import ByhandError

ERROR = 2


def run(main):
    """Call main() and exit with what it returns; an error that the user can mend is one line on stderr and status 2."""
    try:
        try:
            sys.exit(main())
        finally:
            sys.stdout.flush()  # at the interpreter's end, nobody would catch what comes of it
    except ByhandError as problem:
        print(f"error: {problem}", file=sys.stderr)
    except MemoryError as problem:
        print(f"error: not enough memory ({problem}); try a smaller batch size or count", file=sys.stderr)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of a pipe has gone; nothing is left to tell it
    except OSError as problem:
        print(f"error: {problem}; name another file or folder", file=sys.stderr)
    sys.exit(ERROR)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line, as `run` does."""

    def error(self, message):
        self.exit(ERROR, f"error: {message}; --help lists the options\n")


def positive_int(text):
    """An argparse type: a whole number of at least 1."""
    return _number(int, text, lambda value: value >= 1, "a whole number of at least 1")


def seed(text):
    """An argparse type: a whole number of at least 0."""
    return _number(int, text, lambda value: value >= 0, "a whole number of at least 0")


def positive_float(text):
    """An argparse type: a finite number above 0."""
    return _number(float, text, lambda value: 0 < value < float("inf"), "a finite number above 0")


def _number(kind, text, fits, what):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"expected {what}, got {text}")
    return value


@contextmanager
def on_signals(handler):
    """Call handler(signum) at the first SIGINT or SIGTERM inside the block; a second one ends the process at once."""

    def first(signum, frame):
        for number in previous:
            signal.signal(number, signal.SIG_DFL)
        handler(signum)

    previous = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def checked(name, suffix):
    """A path that may be written: with the right ending, and nothing there that would be lost."""
    path = Path(name)
    if path.suffix != suffix:
        raise RunError(f"{path}: expected a name that ends in {suffix}")
    with named(path):
        path.parent.stat()  # a folder that is not there shows now, not after the work
        if path.exists():
            raise RunError(f"{path}: it exists already; name another file, or remove it first")
    return path


@contextmanager
def named(path):
    """Make what the system says inside the block an error that names the path."""
    try:
        yield
    except OSError as problem:
        raise RunError(f"{path}: cannot be written ({problem.strerror}); name another file") from None


def free_name(path):
    """The path, or the first of path-2, path-3 ... that is not taken."""
    name, k = path, 1
    while name.exists():
        k += 1
        name = path.with_stem(f"{path.stem}-{k}")
    return name


def free_folder(path):
    """Make the folder, or the first of path-2, path-3 ... that is not taken, though others look for one now; -> its path.

    Errors: `RunError` where it cannot be made.
    """
    while True:
        name = free_name(path)
        try:
            name.mkdir(parents=True)
            return name
        except OSError as problem:
            if not name.exists():  # else another process was faster
                raise RunError(f"{name}: cannot be written ({problem.strerror}); name another folder with --out") from None
