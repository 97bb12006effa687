"""A file of settings in place of options: `--config run.toml`, and `--print-config` to write it."""

from __future__ import annotations

import argparse
import codecs
import json
import tomllib
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from gan.commands.shared.command_line import (
    Parser,
    at_least_0,
    positive_float,
    positive_int,
    seed,
)
from gan.errors import RunError
from gan.nearest import did_you_mean
from gan.recipes import get_recipe
from gan.runs.settings import DEFAULTS, LENGTHS, SOURCE, dataset_for, recipe_for

NOT_IN_A_FILE = ("help", "config", "print_config", "list_recipes", "resume")
# An option of the command line that stands against other settings of a file, which then give way
GIVE_WAY = {
    "data": ("dataset",),
    "dataset": ("data", *SOURCE),
    "schedule": ("schedule_steps", "schedule_factor"),
    **dict.fromkeys(LENGTHS, LENGTHS),
}
MAX_BYTES = 1_000_000  # of a file
HEAD = """\
# Settings of byhand train. To train with them, put this into a file:
#     byhand train --config FILE
# Options beside --config replace what the file says. A line that starts with "# name =" is a
# setting at its default; remove the "# " to change it.
"""


def add_config(parser: Parser) -> None:
    """Add --config and --print-config."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="read settings from this .toml, which options on the command line replace",
    )
    parser.add_argument(
        "--print-config",
        action="store_true",
        help="print the settings as a .toml for --config and exit",
    )


def with_config(args: Namespace, parser: Parser) -> Namespace:
    """The arguments with the settings of the file --config in place of options not given.

    With --print-config, `args.print_config` becomes the text to print.

    Raises
    ------
    RunError
        If the file cannot be read, or a setting in it is unknown, of another type or out of range.
    """
    options = {
        name: option for name, option in parser.options().items() if name not in NOT_IN_A_FILE
    }
    if args.config is not None:
        given = {name for name in options if _is_given(getattr(args, name))}
        gives_way = {other for name in given for other in GIVE_WAY.get(name, ())}
        for name, value in _read(args.config, options).items():
            if name not in given | gives_way:
                setattr(args, name, value)
    if args.print_config:
        if args.resume is not None:
            raise RunError(
                "--print-config: expected the options of a new run, got --resume; the settings of "
                "a run are in its config.json"
            )
        args.print_config = _text(vars(args), options)
    return args


def _is_given(value: Any) -> bool:
    """Whether an option was on the command line; 0 is a value, False the lack of a switch."""
    return value is not None and value is not False


def _read(path: str, options: Mapping[str, argparse.Action]) -> dict[str, Any]:
    """The settings in a file, checked as on the command line."""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
        content = tomllib.loads(_decoded(raw))
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as problem:
        raise RunError(
            f"{path}: expected TOML, got something else ({problem}); byhand train --print-config "
            "shows how settings are written"
        ) from None
    except OSError as problem:
        raise RunError(
            f"{path}: expected a .toml with settings, which cannot be read ({problem.strerror}); "
            "write one with byhand train --print-config"
        ) from None
    for name in content:
        if name not in options:
            end = did_you_mean(name, options) or "; byhand train --print-config lists them"
            raise RunError(f"{path}: expected settings of byhand train, got {name!r}{end}")
    if content.get("data") is not None and content.get("dataset") is not None:
        raise RunError(f"{path}: expected one of data and dataset, got both; remove one of them")
    try:
        return {name: _checked(options[name], value) for name, value in content.items()}
    except argparse.ArgumentTypeError as problem:
        raise RunError(f"{path}: {problem}") from None


def _decoded(raw: bytes) -> str:
    """The text of a file; Windows may begin it with a mark of its encoding, or take UTF-16."""
    if len(raw) > MAX_BYTES:
        raise UnicodeError(f"more than {MAX_BYTES:,} bytes")
    is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if is_utf16 else "utf-8-sig")


def _checked(option: argparse.Action, value: Any) -> Any:
    """The value as the option's type makes it; `ArgumentTypeError` for another type or range."""
    types, what = _expected(option)
    is_bool = isinstance(value, bool)
    if not isinstance(value, types) or is_bool != (types is bool):
        raise argparse.ArgumentTypeError(
            f"{option.dest}: expected {what}, got {_shown(value)}; write it as the comments of "
            "byhand train --print-config say"
        )
    if types is bool:
        return value
    if option.choices and value not in option.choices:
        listed = " or ".join(map(str, option.choices))
        raise argparse.ArgumentTypeError(
            f"{option.dest}: expected {listed}, got {_shown(value)}; write one of them"
        )
    if isinstance(value, str) and "\0" in value:
        raise argparse.ArgumentTypeError(
            f"{option.dest}: expected a text without zero characters, got {_shown(value)}; remove "
            "them"
        )
    try:
        return option.type(str(value)) if callable(option.type) else value
    except argparse.ArgumentTypeError as problem:
        end = "" if str(problem).endswith("?") else "; write another value"
        raise argparse.ArgumentTypeError(f"{option.dest}: {problem}{end}") from None


def _expected(option: argparse.Action) -> tuple[Any, str]:
    """The type of an option's value in TOML, and its name in words."""
    if option.nargs == 0:
        return bool, "true or false"
    if option.type in (positive_int, seed, int):
        return int, "a whole number"
    if option.type in (positive_float, at_least_0):
        return int | float, "a number"
    return str, 'a text in quotes, such as "name"'


def _text(values: Mapping[str, Any], options: Mapping[str, argparse.Action]) -> str:
    """The settings as TOML: each with its help above it, and those not given as comments."""
    defaults = _defaults(values)
    lines = [HEAD]
    for name, option in options.items():
        lines.append(f"# {option.help}")
        if _is_given(values[name]):
            lines.append(f"{name} = {_toml(name, values[name])}")
        else:
            default = defaults.get(name, False if option.nargs == 0 else None)
            lines.append(f"# {name} = {'...' if default is None else _toml(name, default)}")
        lines.append("")
    return "\n".join(lines)


def _defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that hold where none is given: those of the recipe, and DEFAULTS."""
    recipe = get_recipe(values["recipe"] or recipe_for(values["dataset"], values["data"]))
    of_recipe = {name: getattr(recipe, name, None) for name in (*DEFAULTS, *LENGTHS)}
    of_recipe |= {"recipe": recipe.name, "schedule": None, "objective": None, "penalty": None}
    defaults = {name: DEFAULTS.get(name, value) for name, value in of_recipe.items()}
    defaults |= {name: value for name, value in of_recipe.items() if value is not None}
    defaults["dataset"] = None if values["data"] is not None else dataset_for(recipe.name)
    if any(values[name] is not None for name in LENGTHS):
        defaults |= dict.fromkeys(LENGTHS)
    return defaults


def _toml(name: str, value: Any) -> str:
    """A value in TOML, whose texts, numbers and booleans are those of JSON, nearly."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RunError(
            f"--{name.replace('_', '-')}: expected a text in UTF-8, as a .toml has it, got "
            f"{ascii(value)}; rename the file or folder"
        ) from None
    return text


def _shown(value: Any) -> str:
    """A value for an error, cut if it is long."""
    return f"{value!r:.80}"
