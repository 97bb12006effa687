"""The command line: parsing arguments, exit statuses, and errors in one line."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gan.commands.shared.signals import on_signals
from gan.commands.shared.streams import prepare_streams
from nn import ByhandError

ERROR = 2
SCRIPTS = {  # in examples/, by command
    "train": "train_mnist_gan.py",
    "predict": "predict.py",
    "classify": "classify.py",
    "evaluate": "evaluate.py",
}
Number = TypeVar("Number", int, float)


def run(main: Callable[[], Any]) -> NoReturn:
    """Call ``main()`` and exit with the status it returns.

    A `ByhandError` is printed as one line on stderr and exits with status 2. A signal ends
    ``main()`` by an exception, so that no partial file remains, and exits with status 128 + its
    number. Output that cannot be written does not end ``main()``, which may have files to write; if
    it was to stdout, status 0 becomes 2.
    """
    lost = prepare_streams()
    status = _status(main)
    sys.stdout.flush()
    if lost and not status:
        status = ERROR
        for number in lost - {errno.EPIPE}:  # a reader that closes its pipe wants no more
            print(
                f"error: stdout: cannot be written ({os.strerror(number)}); "
                "everything else is done",
                file=sys.stderr,
            )
    sys.exit(status)


def _status(main: Callable[[], Any]) -> Any:
    """Call main() and return its exit status; print an error that it raises."""
    caught: list[int] = []

    def interrupt(signum: int) -> None:
        # During an import, compiled modules may print or drop the exception, or crash.
        frames = (frame for frame, _ in traceback.walk_stack(None))
        if any(frame.f_code.co_filename.startswith("<frozen importlib") for frame in frames):
            os._exit(128 + signum)
        caught.append(signum)
        raise KeyboardInterrupt

    try:
        try:
            with on_signals(interrupt):
                return main()
        except BaseException:
            if caught:  # the interrupt may have become another exception
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
    """A parser that keeps the lines of its description and prints errors in one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **settings})

    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"error: {message}; --help lists the options\n")


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    return _number(int, text, lambda value: value >= 1, "a whole number of at least 1")


def seed(text: str) -> int:
    """An argparse type: an integer of at least 0."""
    return _number(int, text, lambda value: value >= 0, "a whole number of at least 0")


def positive_float(text: str) -> float:
    """An argparse type: a finite number above 0."""
    return _number(float, text, lambda value: 0 < value < float("inf"), "a finite number above 0")


def _number(
    kind: Callable[[str], Number], text: str, fits: Callable[[Number], bool], what: str
) -> Number:
    """The number in `text` if it fits; an argparse error otherwise."""
    try:
        value = kind(text)
    except ValueError:
        pass
    else:
        if fits(value):
            return value
    raise argparse.ArgumentTypeError(f"expected {what}, got {text}")


def to_paste(command: str, *words: object) -> str:
    """A command line to paste into a shell.

    It starts with `byhand`, or if a script of examples/ is running, with the script for `command`.
    """
    script = Path(sys.argv[0])
    if script.name in SCRIPTS.values():
        start = ["python", str(script.with_name(SCRIPTS[command]))]
    else:
        start = ["byhand", command]
    return shlex.join([*start, *map(str, words)])
