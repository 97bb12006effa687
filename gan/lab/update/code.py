"""The source of a pass: the lines that ran, and those that the equations stand for."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from gan.lab.update.formulas import EQUATIONS, Equation
from nn.ops.numpy.ops import NumpyOps
from nn.watching import Event

OPS = re.compile(r"self\._?(?:ops|stream)\.(\w+)")


def source_of(event: Event) -> dict[str, Any] | None:
    """The source of a pass for the page; None if there is none to read.

    Returns
    -------
    dict
        `file`; `first`, the number of the first line; `lines`; `ran` and `lit`, numbers of lines;
        `equations`, each with `tex`, `note` and whether it `ran`; and `primitives`, the reference's
        source by the name of each primitive that the lit lines call.
    """
    if event.function is None:
        return None
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(event.function))
        file = inspect.getsourcefile(inspect.unwrap(event.function)) or ""
    except (OSError, TypeError):  # a class that was typed in
        return None
    ran = set(range(first, first + len(lines))) if event.lines is None else set(event.lines)
    found, lit = [], set()
    for equation in equations_of(event):
        at = {first + k for k in lines_with(lines, equation.text)}
        if not at:
            continue
        did_run = bool(at & ran)
        found.append({"tex": equation.tex, "note": equation.note, "ran": did_run})
        lit |= at if did_run else set()
    text = "".join(lines)
    return {
        "file": "/".join(file.split("/")[-3:]),
        "first": first,
        "lines": textwrap.dedent(text).splitlines(),
        "ran": sorted(ran),
        "lit": sorted(lit),
        "equations": found,
        "primitives": primitives([lines[number - first] for number in sorted(lit)]),
    }


def equations_of(event: Event) -> list[Equation]:
    """The equations of a pass; of a layer without an entry, none."""
    kind = type(event.settings["optimizer"] if event.what == "step" else event.of)
    for each in kind.__mro__:
        passes = EQUATIONS.get(each.__name__, {})
        if event.what in passes and getattr(each, event.what, None) is event.function:
            return passes[event.what]
    return []


def lines_with(lines: list[str], text: str) -> list[int]:
    """The indices of the lines that this text stands for.

    They are those of the statement that holds it. A comment of its own stands for the statement
    below it, and is among them.
    """
    holding = next((k for k, line in enumerate(lines) if text in line), None)
    if holding is None:
        return []
    wanted = holding
    if lines[holding].lstrip().startswith("#"):
        wanted = next(k for k in range(holding, len(lines)) if not _is_comment(lines[k]))
    start, end = _statement(tuple(lines), wanted)
    return list(range(min(holding, start), end + 1))


def _is_comment(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


@cache
def _statement(lines: tuple[str, ...], at: int) -> tuple[int, int]:
    """The first and the last line of the smallest statement around a line."""
    tree = ast.parse(textwrap.dedent("".join(lines)))
    spans = [
        (node.lineno - 1, (node.end_lineno or node.lineno) - 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt)
    ]
    return min((span for span in spans if span[0] <= at <= span[1]), key=lambda s: s[1] - s[0])


def primitives(lines: list[str]) -> dict[str, str]:
    """The reference's source of each primitive that these lines call, by name."""
    names = dict.fromkeys(OPS.findall("".join(lines)))
    found = {}
    for name in names:
        method: Callable[..., Any] | None = getattr(NumpyOps, name, None)
        if method is not None:
            try:
                source = inspect.getsource(inspect.unwrap(method))
            except (OSError, TypeError):
                continue
            found[name] = textwrap.dedent(source).rstrip()
    return found
