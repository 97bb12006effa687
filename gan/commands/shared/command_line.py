"""The command line: parsing arguments, exit statuses, and errors in one line."""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from gan.commands.shared.signals import on_signals
from gan.commands.shared.streams import prepare_streams
from gan.nearest import did_you_mean
from nn import ByhandError, launcher
from nn.processes.ending import may_speak, name_of_rank, started

ERROR = 2
EXAMPLES = "\nFor example:\n"  # begins the last part of a description
Number = TypeVar("Number", int, float)


def run(main: Callable[[], Any]) -> NoReturn:
    """Call ``main()`` and exit with the status it returns.

    A `ByhandError` is printed as one line on stderr and exits with status 2. A signal ends
    ``main()`` by an exception, so that no partial file remains, and exits with status 128 + its
    number. Output that cannot be written does not end ``main()``, which may have files to write; if
    it was to stdout, status 0 becomes 2.

    Of several processes that train together, one prints the error, and its status ends all.
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
    together = started()
    if together is not None and status and not together.is_over:
        together.abort(status)
    sys.exit(status)


def _report(problem: BaseException, text: str) -> None:
    """Print an error, unless another process that trains with this one does."""
    if may_speak(problem):
        print(f"error: {name_of_rank()}{text}", file=sys.stderr)


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
        _report(problem, str(problem))
    except MemoryError as problem:
        _report(problem, f"not enough memory ({problem}); try a smaller batch size or count")
    except OSError as problem:
        _report(problem, f"{problem}; name another file or folder")
    return ERROR


class Parser(argparse.ArgumentParser):
    """A parser that prints errors in one line, and names the nearest option to a mistyped one.

    The description keeps its lines; its examples are the end of the help. Options cannot be
    abbreviated.

    Attributes
    ----------
    connect
        Connects this process to the others that a launcher has started, so that an error ends all
        of them; None for commands that each process runs alone.
    """

    connect: Callable[[], object] | None = None

    def __init__(self, *, description: str | None = None, **settings: Any) -> None:
        text, found, examples = (description or "").partition(EXAMPLES)
        if found:
            settings["epilog"] = settings.get("epilog", "") + (found + examples).strip()
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(description=text, allow_abbrev=False, **settings)

    def options(self) -> dict[str, argparse.Action]:
        """The options by the names of their attributes."""
        return {action.dest: action for action in self._actions if action.option_strings}

    def parse_args(  # type: ignore[override]  # one signature instead of two overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Parse the arguments; an unknown option is reported before a missing one."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words[: words.index("--")] if "--" in words else words:
            option = word.partition("=")[0]
            is_option = re.match("-+[A-Za-z]", option)  # and no negative number
            if is_option and option not in self._option_string_actions:
                hint = did_you_mean(option, self._option_string_actions)
                self.error(f"unknown option {option}{hint}")
        return super().parse_args(words, namespace)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the program; of several processes with the same mistake, the first reports it."""
        speaks = may_speak(SystemExit(status)) if started() else not launcher.rank()
        super().exit(status, message if speaks else None)

    def error(self, message: str) -> NoReturn:
        end = " " if message.endswith("?") else "; "
        if self.connect is not None and launcher.size() > 1:
            with suppress(ByhandError):  # then this process ends alone
                self.connect()
        text = f"{name_of_rank()}{message}{end}{self.prog} --help lists the options"
        self.exit(ERROR, f"error: {text}\n")


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """An argparse type: one of the names; the error says which one is nearest."""
    known = list(names)

    def name(text: str) -> str:
        if text not in known:
            listed = ", ".join(known)
            raise argparse.ArgumentTypeError(
                f"expected one of {listed}, got {text!r}{did_you_mean(text, known)}"
            )
        return text

    return name


def positive_int(text: str) -> int:
    """An argparse type: an integer of at least 1."""
    return _number(int, text, lambda value: value >= 1, "a whole number of at least 1")


def seed(text: str) -> int:
    """An argparse type: an integer of at least 0."""
    return _number(int, text, lambda value: value >= 0, "a whole number of at least 0")


def positive_float(text: str) -> float:
    """An argparse type: a finite number above 0."""
    return _number(float, text, lambda value: 0 < value < float("inf"), "a finite number above 0")


def at_least_0(text: str) -> float:
    """An argparse type: a finite number of at least 0."""
    return _number(
        float, text, lambda value: 0 <= value < float("inf"), "a finite number of at least 0"
    )


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
