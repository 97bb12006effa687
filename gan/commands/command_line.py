"""What the command lines share: kinds of arguments, files to write, signals, and errors as one line with exit status 2."""

import argparse
import errno
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path

from gan.streams import prepare_streams
from gan.errors import RunError
from nn import ByhandError

ERROR = 2
HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
STOPPING = (signal.SIGINT, signal.SIGTERM) + ((HANG_UP,) if HANG_UP else ())


def run(main):
    """Call main() and exit with what it returns; an error that the user can mend is one line on stderr and status 2.

    A signal ends main() by an exception, so that nothing half-written stays, and the status is 128 + its number. Output that
    cannot be delivered does not end main(): its files are its work. Where stdout lost any, the status is 2 instead of 0.
    """
    lost = prepare_streams()
    status = _status(main)
    sys.stdout.flush()
    if lost and not status:
        status = ERROR
        for number in lost - {errno.EPIPE}:  # the reader of a pipe that has gone did not want more
            print(
                f"error: stdout: cannot be written ({os.strerror(number)}); everything else is done",
                file=sys.stderr,
            )
    sys.exit(status)


def _status(main):
    """What main() returns, or the status of what ended it, which is said on stderr."""
    caught = []

    def interrupt(signum):
        if any(
            frame.f_code.co_filename.startswith("<frozen importlib")
            for frame, _ in traceback.walk_stack(None)
        ):
            os._exit(
                128 + signum
            )  # compiled modules print, drop or crash over an exception while they are imported
        caught.append(signum)
        raise KeyboardInterrupt

    try:
        try:
            with on_signals(interrupt):
                return main()
        except BaseException:
            if caught:  # whatever the interrupt has become on its way
                return 128 + caught[0]
            raise
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except ByhandError as problem:
        print(f"error: {problem}", file=sys.stderr)
    except MemoryError as problem:
        print(
            f"error: not enough memory ({problem}); try a smaller batch size or count",
            file=sys.stderr,
        )
    except OSError as problem:
        print(f"error: {problem}; name another file or folder", file=sys.stderr)
    return ERROR


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
    """Call handler(signum) at the first SIGINT, SIGTERM or SIGHUP inside the block; a second one ends the process at once.

    Not so a second SIGHUP: when a terminal closes, both the system and the shell may send one. A signal that is ignored, as
    after `nohup`, stays so. Outside the main thread, where Python permits no handlers, nothing changes.
    """

    def first(signum, frame):
        for number in previous:
            signal.signal(number, ignore if number == HANG_UP else signal.SIG_DFL)
        handler(signum)

    def ignore(signum, frame):
        """Unlike SIG_IGN, not inherited by other processes."""

    previous = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in STOPPING}
        previous = {
            number: old for number, old in handlers.items() if old not in (signal.SIG_IGN, None)
        }  # None: not Python's
    try:
        for number in previous:
            signal.signal(number, first)
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
        raise RunError(
            f"{path}: cannot be written ({problem.strerror}); name another file"
        ) from None


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
                raise RunError(
                    f"{name}: cannot be written ({problem.strerror}); name another folder with --out"
                ) from None
