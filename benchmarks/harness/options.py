"""Options that several benchmarks share."""

from __future__ import annotations

from collections.abc import Iterable

from gan.commands.shared.command_line import Parser, positive_int
from gan.recipes import DIGITS, get_recipe, recipes_for


def add_recipes(parser: Parser, default: str = "all") -> None:
    """--recipe, which may be repeated."""
    help_text = f"may be given several times (default: {default})"
    parser.add_argument("--recipe", action="append", metavar="R", help=help_text)


def recipe_names(given: Iterable[str] | None, default: Iterable[str] | None = None) -> list[str]:
    """The recipes to measure: those given, else the default, else all recipes of digits."""
    return [get_recipe(name).name for name in given or default or recipes_for(DIGITS)]


def add_count(parser: Parser, option: str, default: int, what: str) -> None:
    """A count of at least 1, such as --rounds."""
    help_text = f"{what} (default: %(default)s)"
    parser.add_argument(option, type=positive_int, default=default, help=help_text)


def add_peers(parser: Parser, peers: Iterable[str], what: str) -> None:
    """--peers."""
    help_text = f"{what} (default: %(default)s)"
    parser.add_argument("--peers", choices=tuple(peers), default="tuned", help=help_text)


def add_markdown(parser: Parser) -> None:
    """--markdown."""
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
